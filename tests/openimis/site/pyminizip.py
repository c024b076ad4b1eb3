"""Stands in for the C extension of that name, which needs a compiler and Python's headers to install.

openimis-be-tools imports it when it starts and uses it for one thing: encrypted extracts for phones, which no test makes.
"""


def compress(*_args):
    raise NotImplementedError("the sandbox makes no encrypted extracts")
