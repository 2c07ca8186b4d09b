// A text that a screen reader says when it changes.
export default {
  render({ model, el }) {
    el.setAttribute("role", "status");
    el.setAttribute("aria-live", "polite");
    el.classList.add("zc-spoken");
    const show = () => { el.textContent = model.get("text"); };
    model.on("change:text", show);
    show();
    return () => model.off("change:text", show);
  },
};
