// Draws one chart; new rows go into the living view, so that zoom and selections stay.
const DARK = () => document.body.dataset.jpThemeLight === "false";

function lit(spec, dark) {
  return DARK() ? { ...spec, config: { ...spec.config, ...dark, background: "transparent" } } : spec;
}

async function bundle() {
  while (!window.vegaEmbed) await new Promise((soon) => setTimeout(soon, 10));
  return window.vegaEmbed;
}

function render({ model, el }) {
  let made = null, again = true, working = false, over = false, timer = null;

  function told(view) {
    const selected = {};
    for (const name of model.get("watch")) {
      const value = view.signal(name) ?? null;
      selected[name] = JSON.parse(JSON.stringify(value));
    }
    model.set("selected", selected);
    model.save_changes();
  }

  function listen(view) {
    for (const name of model.get("watch"))
      view.addSignalListener(name, () => {
        clearTimeout(timer);
        timer = setTimeout(() => over || told(view), model.get("quiet_ms"));
      });
  }

  async function embed(embedder) {
    const spec = structuredClone(lit(model.get("spec"), model.get("dark")));
    spec.datasets = structuredClone(model.get("tables"));
    made?.finalize();
    made = await embedder(el, spec, { renderer: model.get("renderer"), actions: false });
    listen(made.view);
  }

  async function push() {
    for (const [name, rows] of Object.entries(model.get("tables"))) made.view.data(name, structuredClone(rows));
    await made.view.resize().runAsync();  // rows may have brought panels, for which the picture has to grow
  }

  // One drawing at a time, of what is newest: a page that is slower than the kernel skips what is between.
  async function draw() {
    if (working) return;
    working = true;
    try {
      const embedder = await bundle();
      while (again !== false && !over) {
        const anew = again === true;
        again = false;
        const revision = model.get("revision");
        await (anew || made === null ? embed(embedder) : push());
        if (over) break;
        model.set("drawn", revision);
        model.save_changes();
      }
    } catch (error) {
      el.textContent = `This chart cannot be drawn: ${error.message}`;
      made = null;
      again = false;
    } finally {
      working = false;
    }
    if (over) made?.finalize();
    else if (again !== false) draw();
  }

  const anew = () => { again = true; draw(); };
  const rows = () => { again = again === true ? true : "rows"; draw(); };
  const theme = new MutationObserver(anew);
  theme.observe(document.body, { attributes: true, attributeFilter: ["data-jp-theme-light"] });
  model.on("change:spec", anew);
  model.on("change:revision", rows);
  draw();
  return () => {
    over = true;
    clearTimeout(timer);
    theme.disconnect();
    model.off("change:spec", anew);
    model.off("change:revision", rows);
    if (!working) made?.finalize();
  };
}

export default { render };
