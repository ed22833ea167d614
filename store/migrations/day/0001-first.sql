-- The flows that began on one day (UTC); ids are those of the main file.
create table flow (
  id blob primary key,
  kind integer not null,
  opened_ms integer not null,
  closed_ms integer,
  parent blob,
  gateway_id integer not null,
  runner_id integer not null,
  job_id integer,
  repository_id integer,
  host_id integer,
  address text,
  port integer,
  protocol integer not null,
  verdict integer not null,
  mode integer not null,
  reason_id integer not null,
  rule_id integer,
  scope_id integer,
  revision_id integer,
  method_id integer,
  path text,
  status integer,
  operation_id integer,
  access integer,
  sent integer,
  received integer,
  total_ms integer,
  attempts integer,
  ended_id integer,
  -- What is shown of one flow alone, as JSON.
  detail text
) strict, without rowid;
create index flow_job on flow (job_id, id);
create index flow_repository on flow (repository_id, id);
create index flow_host on flow (host_id, id);
create index flow_runner on flow (runner_id, id);
create index flow_blocked on flow (verdict, id) where verdict > 0;
-- What a batch adds to the main file, until that has it.
create table pending (batch integer primary key, deltas text not null) strict;
