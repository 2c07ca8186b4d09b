// A text that a screen reader says when it changes; the part of it that is in doubt is marked.
export default {
  render({ model, el }) {
    el.setAttribute("role", "status");
    el.setAttribute("aria-live", "polite");
    el.classList.add("zc-spoken");
    const show = () => {
      const text = model.get("text"), doubt = model.get("doubt");
      const at = doubt ? text.indexOf(doubt) : -1;
      if (at < 0) {
        el.textContent = text;
        return;
      }
      const marked = document.createElement("span");
      marked.className = "zc-doubt";
      marked.textContent = doubt;
      el.replaceChildren(text.slice(0, at), marked, text.slice(at + doubt.length));
    };
    model.on("change:text change:doubt", show);
    show();
    return () => model.off("change:text change:doubt", show);
  },
};
