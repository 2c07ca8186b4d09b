# A notebook with a slider and a chart that follows it, for the bench and for a test of the harness.

# %%
import altair as alt
import ipywidgets
import polars as pl
from IPython.display import display

alt.JupyterChart.enable_offline()


def chart(level: int) -> alt.Chart:
    rows = pl.DataFrame({"x": range(200), "y": [(x * level) % 97 for x in range(200)]})
    return alt.Chart(rows).mark_line().encode(x="x", y="y").properties(width=600)


slider = ipywidgets.IntSlider(50, 1, 96, description="level")
drawn = alt.JupyterChart(chart(slider.value))
slider.observe(lambda change: setattr(drawn, "chart", chart(change.new)), "value")
display(ipywidgets.VBox([slider, drawn]))
