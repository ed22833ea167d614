-- What is heard of jobs besides their flows, and what the operator's side keeps.
alter table job add column run_attempt text;
alter table job add column stage text;
alter table job add column sha text;
alter table job add column head_ref text;
alter table job add column base_ref text;
-- Program that asked for the job, as the platform names it.
alter table job add column agent text;
-- JSON: the matrix, what its token was granted, the actions and images that its steps name.
alter table job add column matrix text;
alter table job add column granted text;
alter table job add column uses text;
alter table job add column has_identity integer;
alter table job add column until_ms integer;
alter table job add column ended_ms integer;
-- Null with `ended_ms`: it was given up.
alter table job add column conclusion text;
-- 1: a record of the job itself is there, not only flows of it.
alter table job add column is_heard integer not null default 0;
alter table job add column conflicts integer not null default 0;
create index job_runner on job (runner_id, started_ms desc);
create table step (
  job_id integer not null references job (id),
  -- What the platform calls it.
  key text not null,
  number integer,
  name text not null,
  state text not null,
  started_ms integer,
  ended_ms integer,
  -- Place in the job's message; null: only heard of later.
  place integer,
  at_ms integer not null,
  primary key (job_id, key)
) strict, without rowid;
create table job_event (
  -- UUIDv7 of the record.
  id blob primary key,
  job_id integer not null references job (id),
  at_ms integer not null,
  gateway_id integer not null references gateway (id),
  runner_id integer not null references runner (id),
  what text not null,
  detail text
) strict, without rowid;
create index job_event_job on job_event (job_id, id);
create table roll_hour_repository (
  repository_id integer not null references repository (id),
  hour_ms integer not null,
  kind integer not null,
  verdict integer not null,
  n integer not null,
  sent integer not null,
  received integer not null,
  primary key (repository_id, hour_ms, kind, verdict)
) strict, without rowid;
-- When anybody went to a host first, and last.
create table seen_host (
  host_id integer primary key references host (id),
  first_ms integer not null,
  last_ms integer not null,
  n integer not null
) strict;
create index seen_host_id on seen (host_id);
-- Flows of a runner with and without a job.
create table roll_day_runner (
  runner_id integer not null references runner (id),
  day text not null,
  is_attributed integer not null,
  n integer not null,
  primary key (runner_id, day, is_attributed)
) strict, without rowid;
create table job_host (
  job_id integer not null references job (id),
  host_id integer not null references host (id),
  first_ms integer not null,
  last_ms integer not null,
  n integer not null,
  primary key (job_id, host_id)
) strict, without rowid;
create index job_host_host on job_host (host_id, last_ms desc);
create table policy_bundle (revision text primary key, at_ms integer not null, bundle text not null) strict, without rowid;
create table policy_revision (
  id integer primary key,
  revision text not null references policy_bundle (revision),
  at_ms integer not null,
  fleet text not null,
  gateway text not null
) strict;
create table audit (
  -- UUIDv7: in the order in which they were begun.
  id text primary key,
  at_ms integer not null,
  actor text not null,
  address text not null,
  action text not null,
  target text not null,
  reason text not null,
  outcome text not null
) strict, without rowid;
create table api_token (
  id text primary key,
  digest text not null,
  label text not null,
  role text not null,
  -- JSON list; null: all.
  owners text,
  created_ms integer not null,
  expires_ms integer not null,
  used_ms integer,
  revoked_ms integer
) strict, without rowid;
create table login (
  digest text primary key,
  name text not null,
  role text not null,
  owners text,
  created_ms integer not null,
  used_ms integer not null
) strict, without rowid;
create table setting (name text primary key, value text not null) strict, without rowid;
-- What each gateway tells the others, newest only.
create table gateway_state (
  fleet text not null,
  gateway text not null,
  kind text not null,
  at_ms integer not null,
  body text not null,
  primary key (fleet, gateway, kind)
) strict, without rowid;
