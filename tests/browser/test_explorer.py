"""The explorer in JupyterLab: what is drawn equals what the library says, while a slider moves and afterwards."""

import json
from pathlib import Path

from selenium.common.exceptions import TimeoutException
from selenium.webdriver import Keys

from tests.browser.chromium import in_a_browser
from zcanalysis.answer import answered, gbps_text
from zcanalysis.io.recording import read_recording
from zcanalysis.scenarios import parts, read_scenarios
from zcanalysis.whatif import what_if

pytestmark = in_a_browser

TRACE = Path(__file__).parents[2] / "traces/veth-1500"
MTU = ".zc-explorer .widget-hslider .noUi-handle"
SPOKEN = ".zc-spoken"
MTU_WIDTH = "return document.querySelector('.zc-explorer .zc-labelled-above .slider-container').clientWidth"
LEAST_SLIDER_PX = 200
EXACT = "all 25 hosts replayed, as zc.what_if does"
DRAWN = """
return [...document.querySelectorAll('.zc-explorer .vega-embed svg text')].map(one => one.textContent);
"""


def expected(answer, *texts):
    """What the library says, as the explorer writes it."""
    from zcanalysis.patches import parse_patch

    row = what_if(answer, [[parse_patch(text) for text in texts]]).row(0, named=True)
    return gbps_text(row["predicted_gbps"], row["low_gbps"], row["high_gbps"])


def settled(notebook, words):
    """Once the exact answer that holds these words is shown and drawn."""

    def there(_):
        page = "".join(notebook.drawn(".zc-explorer .widget-html-content", "textContent"))
        said = notebook.drawn(SPOKEN, "textContent")
        return (
            EXACT in page and said and words in said[0] and words in "\n".join(notebook.browser.execute_script(DRAWN))
        )

    try:
        notebook.until(there)
    except TimeoutException:
        said, drawn = notebook.drawn(SPOKEN, "textContent"), notebook.browser.execute_script(DRAWN)
        raise AssertionError(f"expected {words!r}; said {said}; drawn {drawn}") from None


def button(notebook, text):
    """Press the button of that text, and return it."""
    for one in notebook.wait_for(".zc-explorer button"):
        if one.text.strip() == text:
            notebook.browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", one)
            one.click()
            return one
    raise AssertionError(f"no button {text!r}")


def tab(notebook, text):
    """Open the tab of that title."""
    (found,) = [one for one in notebook.wait_for(".zc-explorer .lm-TabBar-tab") if one.text.strip() == text]
    notebook.browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", found)
    found.click()


def test_slider_box_and_scenarios_show_what_the_library_says(lab):
    answer = answered(read_recording(TRACE))
    with lab.opened("notebooks/03_explorer.ipynb") as notebook:
        notebook.run_all()
        notebook.wait_for(".zc-explorer .vega-embed svg.marks path")
        settled(notebook, expected(answer, "mtu=9000"))  # as the notebook leaves it
        assert "outside the prediction" in notebook.drawn(".zc-spoken .zc-doubt", "textContent")[0]

        notebook.press(MTU, *[Keys.ARROW_LEFT] * 7)  # from 9000 to 1500 bytes
        settled(notebook, gbps_text(answer.goodput_gbps, answer.low_gbps, answer.high_gbps))
        notebook.press(MTU, *[Keys.ARROW_RIGHT] * 7)
        settled(notebook, expected(answer, "mtu=9000"))
        assert "With mtu=9000:" in notebook.drawn(SPOKEN, "textContent")[0]
        assert notebook.browser.execute_script(MTU_WIDTH) > LEAST_SLIDER_PX

        focus = button(notebook, "As it is")
        settled(notebook, gbps_text(answer.goodput_gbps, answer.low_gbps, answer.high_gbps))
        focus.send_keys(Keys.TAB)  # to the groups of changes
        assert notebook.browser.switch_to.active_element.tag_name == "button"
        button(notebook, "Try mtu=9000")
        settled(notebook, expected(answer, "mtu=9000"))

        box = notebook.wait_for(".zc-explorer .widget-checkbox input:not([disabled])")[0]
        notebook.browser.execute_script("arguments[0].click()", box)
        settled(notebook, expected(answer, "mtu=9000", "gro=on"))

        tab(notebook, "scenarios")
        button(notebook, "Keep")
        button(notebook, "Save")
        notebook.until(lambda _: (lab.folder / "notebooks/scenarios.toml").exists())
        (kept,) = read_scenarios(lab.folder / "notebooks/scenarios.toml")
        assert parts(kept) == ["mtu=9000", "gro=on"]

        button(notebook, "As it is")
        settled(notebook, gbps_text(answer.goodput_gbps, answer.low_gbps, answer.high_gbps))
        button(notebook, "Load")
        button(notebook, "Show")
        settled(notebook, expected(answer, "mtu=9000", "gro=on"))
        button(notebook, "Undo")
        settled(notebook, gbps_text(answer.goodput_gbps, answer.low_gbps, answer.high_gbps))
        wide = notebook.browser.execute_script(
            "const one = document.querySelector('.zc-explorer'); return [one.scrollWidth, one.clientWidth];"
        )
        assert wide[0] <= wide[1], json.dumps(wide)
        group = next(one for one in notebook.wait_for(".zc-explorer button") if "prices of the host" in one.text)
        group.send_keys(Keys.SPACE)
        notebook.wait_for(".zc-explorer .zc-interval i")
        notebook.check_offline()
