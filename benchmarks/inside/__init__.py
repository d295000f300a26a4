"""What the benchmark has the product do for it, inside the product's own `manage.py shell`.

Only this folder names the project's modules, and nothing of the benchmark imports it.
"""
