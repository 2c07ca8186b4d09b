"""Pages in a real browser, Debian's chromium, with nothing but this machine to be found.

`chromium` is the browser, `jupyter_lab` JupyterLab under it: what a test of a notebook or a widget needs. See there.
"""
