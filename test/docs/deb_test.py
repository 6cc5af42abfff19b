#!/usr/bin/env python3
"""The Debian packages hold what they should, and their programs run from where the packages put them."""
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]


def run(*command, **options):
    done = subprocess.run(command, capture_output=True, text=True, **options)
    assert done.returncode == 0, f"{command} answers {done.returncode}: {done.stdout}{done.stderr}"
    return done.stdout


def field(deb, name):
    return run("dpkg-deb", "-f", str(deb), name).strip()


def main(build):
    with tempfile.TemporaryDirectory(prefix="tarn-deb-") as name:
        out = pathlib.Path(name)
        debs = {path.rsplit("/", 1)[1].split("_")[0]: pathlib.Path(path)
                for path in run(str(ROOT / "packaging/build-deb.sh"), build, name).split()}
        assert set(debs) == {"tarn", "tarn-agent"}, debs
        for package, deb in debs.items():
            depends = field(deb, "Depends")
            assert "libc6" in depends and "libssl3" in depends and "adduser" in depends, depends
            assert "libduckdb" not in depends and "libarrow" not in depends, depends
            run("dpkg-deb", "-x", str(deb), str(out / package))
            run("dpkg-deb", "-e", str(deb), str(out / package / "DEBIAN"))
            for script in ("postinst", "prerm", "postrm"):
                run("sh", "-n", str(out / package / "DEBIAN" / script))
            for conffile in (out / package / "DEBIAN/conffiles").read_text().split():
                assert (out / package / conffile[1:]).is_file(), conffile
            assert (out / package / f"lib/systemd/system/{package}.service").is_file()
            version = run(str(out / package / "usr/bin" / package), "--version", env={"PATH": "/usr/bin:/bin"})
            assert version.startswith(f"{package} "), version
            run("md5sum", "-c", "--quiet", "DEBIAN/md5sums", cwd=out / package)
        agent = (out / "tarn-agent")
        assert not list(agent.rglob("*.so*")), "the agent brings libraries"
        key = out / "key"
        key.write_text("tarn_ingest_" + "0" * 32)
        config = (agent / "etc/tarn-agent/agent.yaml").read_text().replace("/etc/tarn-agent/key", str(key))
        (out / "agent.yaml").write_text(config)
        assert "fine" in run(str(agent / "usr/bin/tarn-agent"), "--config", str(out / "agent.yaml"), "--check")


if __name__ == "__main__":
    main(sys.argv[1])
