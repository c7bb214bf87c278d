"""The test fleet: real hosts on one Linux machine.

Everything here starts something that runs for real: sshd, dropbear, systemd under `systemd-nspawn`, a signed apt
repository. Tests meet it through the fixtures of `lab.fixtures`; `benchmarks/` uses the same classes directly.
"""
