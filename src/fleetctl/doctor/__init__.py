"""Find out why something does not work, here and on hosts, each finding with its remedy. Nothing is changed anywhere."""
