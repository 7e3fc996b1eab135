"""Example documents, as data: `cases/` (public cases, with `index.yaml` saying who sends each) and `templates/`.

Read them with `importlib.resources.files("schemas.examples")`; this package itself does no input or output.
"""
