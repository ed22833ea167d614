-- How each flow came to its job, and which step of it was under way.
alter table flow add column source integer;
alter table flow add column certainty integer;
alter table flow add column is_conflict integer;
alter table flow add column is_infrastructure integer;
alter table flow add column step_number integer;
alter table flow add column step_id integer;
