"""`interject keys`: what a person types to manage the keys of a data directory."""

import json

from processes import run_binary


class Keys:
    """The keys of one data directory."""

    def __init__(self, directory):
        self.directory = directory

    def run(self, *arguments):
        return run_binary("keys", arguments[0], "--data", self.directory, *arguments[1:])

    def _objects(self, *arguments) -> list[dict]:
        done = self.run(*arguments, "--json")
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    def create(self, name="ada", **options) -> dict:
        flags = [word for key, value in options.items() for word in (f"--{key.replace('_', '-')}", value)]
        return self._objects("create", name, *flags)[0]

    def list(self) -> dict[str, dict]:
        return {key["id"]: key for key in self._objects("list")}

    def revoke(self, key):
        done = self.run("revoke", key)
        assert done.returncode == 0, done.stderr

    def rotate(self, key, **options) -> dict:
        flags = [word for name, value in options.items() for word in (f"--{name}", value)]
        return self._objects("rotate", key, *flags)[0]


def bearer(key) -> dict:
    """Header fields with a key: an object of `create`, or the secret itself."""
    return {"Authorization": f"Bearer {key['secret'] if isinstance(key, dict) else key}"}
