-- What the gateways of a fleet tell each other while jobs run; each writes its own rows alone.
create table fleet_key (fleet text primary key, key bytea not null);
create table live_gateway (
  fleet text not null,
  gateway text not null,
  -- By the clock of the database, which all of them share.
  seen_at timestamptz not null,
  -- Names the key of the hashes in its rows.
  key_id text not null,
  primary key (fleet, gateway)
);
create table live_job (
  fleet text not null,
  gateway text not null,
  -- job, ended, manager, conflict
  kind text not null,
  key text not null,
  until_ms bigint not null,
  entry text not null,
  primary key (fleet, gateway, kind, key)
);
