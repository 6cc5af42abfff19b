#!/usr/bin/env python3
"""`cmake --install` into an empty folder gives programs that run from there, and only from there."""
import pathlib
import shutil
import subprocess
import sys
import tempfile

EXPECTED = ["bin/tarn", "bin/tarn-agent", "lib/tarn/libduckdb.so", "lib/tarn/libarrow.so.2500",
            "lib/tarn/libparquet.so.2500", "share/doc/tarn/README.md", "share/doc/tarn/docs/operation.md",
            "share/doc/tarn/LICENSE", "share/doc/tarn/packaging/tarn.service",
            "share/bash-completion/completions/tarn", "share/zsh/site-functions/_tarn",
            "share/bash-completion/completions/tarn-agent", "share/zsh/site-functions/_tarn-agent"]


def run(*command, **options):
    done = subprocess.run(command, capture_output=True, text=True, **options)
    assert done.returncode == 0, f"{command} answers {done.returncode}: {done.stdout}{done.stderr}"
    return done.stdout


def main(build):
    with tempfile.TemporaryDirectory(prefix="tarn-install-") as name:
        root = pathlib.Path(name) / "there"
        run("cmake", "--install", build, "--prefix", str(root), "--strip")
        for path in EXPECTED:
            assert (root / path).is_file(), f"{path} is not installed"
        stray = [p for p in root.rglob("*") if p.is_file() and not str(p.relative_to(root)).startswith(
            ("bin/tarn", "lib/tarn/", "share/"))]
        assert not stray, f"installed besides: {stray}"
        for line in run("ldd", str(root / "bin/tarn")).splitlines():
            library = line.split()[0]
            if library.startswith(("libduckdb", "libarrow", "libparquet")):
                assert str(root) in line, f"not found beside the program: {line}"
        environment = {"PATH": f"{root}/bin:/usr/bin:/bin", "HOME": name, "LC_ALL": "C.UTF-8"}
        assert run("tarn", "--version", env=environment).startswith("tarn "), "no version"
        assert run("tarn-agent", "--version", env=environment).startswith("tarn-agent "), "no version"
        shop = f"{name}/shop"
        run("tarn", "init", shop, "--template", "retail", env=environment)
        assert "fine" in run("tarn", "check", shop, env=environment)
        line = '10.0.0.1 - - [24/Nov/2026:10:00:00 +0000] "GET / HTTP/1.1" 200 12\n'
        parsed = run("tarn", "parse", "--format", "common", input=line, env=environment)
        assert '"status":200' in parsed, parsed
        size = (root / "bin/tarn-agent").stat().st_size
        assert size <= 4 << 20, f"tarn-agent has {size} bytes"
        for program in ("tarn", "tarn-agent"):
            script = (root / "share/bash-completion/completions" / program).read_text()
            run("bash", "-n", input=script)
            assert script.endswith(f" {program}\n"), script
            if shutil.which("zsh"):
                run("zsh", "-n", str(root / "share/zsh/site-functions" / f"_{program}"))


if __name__ == "__main__":
    main(sys.argv[1])
