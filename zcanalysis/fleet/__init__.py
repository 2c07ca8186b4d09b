"""Many recordings and captures: one dataset of parquet tables, and one page that lists them.

Enters: paths. `sources` finds what they hold, `tasks` makes tables of one source in any process, `dataset` keeps them
so that nothing is done twice and nothing is half there, `running` does one after the other and `cluster` many at once,
`page` lists them. Leaves: a folder. May import the answer, the readers, and `pages`.
"""
