"""The whole exchange on one machine: a broker, real node daemons, the example keys and the example cases."""
