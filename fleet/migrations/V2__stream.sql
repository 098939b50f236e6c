-- Workers that share a stream, and who feeds them.

-- A file that could not be read, or whose worker ended each time, has a row, and maybe no size.
ALTER TABLE cutout ALTER bytes DROP NOT NULL;

-- A process that takes files from a stream. Its numbers are written in the transactions that write its rows. ended is NULL for
-- one that works, or was killed. images_a_second is that of the last seconds.
CREATE TABLE worker (
    site text NOT NULL,
    name text NOT NULL,
    machine text NOT NULL,
    program text NOT NULL,
    model integer REFERENCES model,
    started timestamptz NOT NULL,
    seen timestamptz NOT NULL,
    ended timestamptz,
    answered bigint NOT NULL,
    rejected bigint NOT NULL,
    known bigint NOT NULL,
    given_up bigint NOT NULL,
    images_a_second double precision NOT NULL,
    PRIMARY KEY (site, name)
);

-- Who feeds a stream, and with what. The numbers are those of its last look at all files.
CREATE TABLE feeder (
    site text NOT NULL,
    source text NOT NULL,
    machine text NOT NULL,
    program text NOT NULL,
    looked timestamptz NOT NULL,
    files bigint NOT NULL,
    added bigint NOT NULL,
    PRIMARY KEY (site, source)
);
