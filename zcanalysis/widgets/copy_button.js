// Copies a text, and says so.
export default {
  render({ model, el }) {
    const button = document.createElement("button");
    button.className = "jupyter-button widget-button lm-Widget zc-copy";
    const name = () => { button.textContent = model.get("label"); button.disabled = !model.get("text"); };
    button.onclick = async () => {
      try {
        await navigator.clipboard.writeText(model.get("text"));
        button.textContent = "copied";
      } catch {
        button.textContent = "not allowed: select the text";
      }
      setTimeout(name, 1500);
    };
    model.on("change:label", name);
    model.on("change:text", name);
    name();
    el.replaceChildren(button);
    return () => { model.off("change:label", name); model.off("change:text", name); };
  },
};
