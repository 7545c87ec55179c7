"""Runs a task with `e2b-code-interpreter`."""

from e2b_code_interpreter import Sandbox

with Sandbox.create() as sandbox:
    assert sandbox.run_code("x = 20\nprint('said')").logs.stdout == ["said\n"]
    assert sandbox.run_code("x * 2 + 2").text == "42"
    assert sandbox.run_code("1 / 0").error.name == "ZeroDivisionError"
    other = sandbox.create_code_context()
    assert sandbox.run_code("x", context=other).error.name == "NameError"
print("task done", flush=True)
