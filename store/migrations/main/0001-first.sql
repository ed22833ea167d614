-- Names, jobs, and what flows come to; the flows themselves lie in a file for each day.
create table host (id integer primary key, name text not null unique) strict;
create table word (id integer primary key, text text not null unique) strict;
create table gateway (
  id integer primary key,
  fleet text not null,
  name text not null,
  first_ms integer not null,
  last_ms integer not null,
  unique (fleet, name)
) strict;
create table runner (
  id integer primary key,
  fleet text not null,
  address text not null,
  first_ms integer not null,
  last_ms integer not null,
  unique (fleet, address)
) strict;
create table repository (
  id integer primary key,
  platform text not null,
  server text not null,
  -- In lower case: platforms compare without case.
  path text not null,
  shown text not null,
  platform_id text,
  unique (server, path)
) strict;
-- One job of a workflow, whenever it runs: what is usual is usual for it.
create table definition (
  id integer primary key,
  repository_id integer not null references repository (id),
  workflow text not null,
  name text not null,
  unique (repository_id, workflow, name)
) strict;
create table job (
  id integer primary key,
  key text not null unique,
  definition_id integer not null references definition (id),
  repository_id integer not null references repository (id),
  run_id text,
  ref text,
  event text,
  environment text,
  actor text,
  called_workflow text,
  runner_group text,
  is_fork integer,
  is_protected integer,
  is_private integer,
  source text not null,
  certainty text not null,
  gateway_id integer not null references gateway (id),
  runner_id integer not null references runner (id),
  started_ms integer not null,
  last_ms integer not null,
  flows integer not null default 0,
  blocked integer not null default 0,
  would_block integer not null default 0,
  sent integer not null default 0,
  received integer not null default 0
) strict;
create index job_repository on job (repository_id, started_ms desc);
create index job_run on job (repository_id, run_id);
create index job_started on job (started_ms desc);
-- `verdict`: 0 allowed, 1 would have been blocked, 2 blocked.
create table roll_hour (
  hour_ms integer not null,
  kind integer not null,
  verdict integer not null,
  n integer not null,
  sent integer not null,
  received integer not null,
  primary key (hour_ms, kind, verdict)
) strict, without rowid;
create table roll_day (
  day text not null,
  host_id integer not null references host (id),
  verdict integer not null,
  n integer not null,
  sent integer not null,
  received integer not null,
  primary key (day, host_id, verdict)
) strict, without rowid;
create table roll_day_repository (
  repository_id integer not null references repository (id),
  day text not null,
  host_id integer not null references host (id),
  verdict integer not null,
  n integer not null,
  sent integer not null,
  received integer not null,
  primary key (repository_id, day, host_id, verdict)
) strict, without rowid;
-- Who has gone where, and when first: the baseline.
create table seen (
  definition_id integer not null references definition (id),
  host_id integer not null references host (id),
  first_ms integer not null,
  last_ms integer not null,
  n integer not null,
  primary key (definition_id, host_id)
) strict, without rowid;
-- How far each segment was read.
create table segment (gateway text not null, name text not null, bytes integer not null, primary key (gateway, name)) strict, without rowid;
create table counter (name text primary key, value integer not null) strict, without rowid;
insert into counter values ('batch', 0);
