-- What connections to real systems need: messages that arrive by themselves, limits on calls, and writes that an HRS
-- takes now and answers later.

-- Messages of an HRS, and ours to it, as they were on the wire. Positions of a connection rise with every commit:
-- whoever has read up to one has read everything before it.
create table message_head (
  institution_id bigint not null,
  connection_id bigint primary key,
  position bigint not null default 0,
  foreign key (institution_id, connection_id) references connection (institution_id, id) on delete cascade
);

create table raw_message (
  institution_id bigint not null,
  -- By way of the head, which whoever stores has locked anyway: the row of the connection may be locked by a pass over it.
  connection_id bigint not null references message_head on delete cascade,
  position bigint not null,
  direction text not null check (direction in ('in', 'out')),
  -- SHA-256 over what makes two messages the same one.
  digest bytea not null check (length(digest) = 32),
  -- The sender's own name for the message, such as MSH-10.
  control_id text check (length(control_id) <= 200),
  -- In the sender's words, such as SIU^S12.
  type text not null check (length(type) <= 100),
  appointment_ref text check (length(appointment_ref) <= 255),
  patient_ref text check (length(patient_ref) <= 255),
  -- When the sender says that it made it.
  sent_at timestamptz(3),
  stored_at timestamptz(3) not null default now(),
  -- Encrypted; null once it is past its time. What is left then says only that there was such a message.
  body bytea,
  -- Why nothing could be made of it. No patient data.
  problem text check (length(problem) <= 500),
  primary key (connection_id, position)
);
-- What is sealed cannot be compressed.
alter table raw_message alter column body set storage external;
create unique index on raw_message (connection_id, digest);
create index on raw_message (connection_id, appointment_ref, position) where appointment_ref is not null;
create index on raw_message (connection_id, patient_ref, position) where patient_ref is not null;
-- What is past its time: first the body, much later the rest.
create index on raw_message (stored_at) where body is not null;
create index on raw_message (stored_at) where body is null;

-- What the HRS can do as it said when it was last read whole; null until then. Processes that do not read know it from here.
alter table connection add column capabilities jsonb;

-- How many calls the HRS allows us; null is no limit.
alter table connection add column calls_per_minute integer check (calls_per_minute > 0);
alter table connection add column calls_per_hour integer check (calls_per_hour > 0);
alter table connection add column calls_per_month integer check (calls_per_month > 0);

-- The calls made in the window of each limit that is under way, one row for a connection so that one statement counts
-- in all three. Windows are full minutes, hours and months of UTC.
create table call_use (
  institution_id bigint not null,
  connection_id bigint primary key,
  minute_began_at timestamptz not null,
  minute_calls integer not null,
  hour_began_at timestamptz not null,
  hour_calls integer not null,
  month_began_at timestamptz not null,
  month_calls integer not null,
  -- All calls ever made to read: what a pass has cost is the difference between its end and its beginning.
  reads bigint not null,
  -- What a pass costs, as the last ones did; null until one has been counted.
  pass_calls real,
  full_pass_calls real,
  foreign key (institution_id, connection_id) references connection (institution_id, id) on delete cascade
);

-- Since when the HRS has taken the write and owes the answer.
alter table command add column accepted_at timestamptz(3);

do $$
declare
  t text;
begin
  for t in
    select c.table_name from information_schema.columns c
      join pg_class on pg_class.oid = format('%I', c.table_name)::regclass and not relrowsecurity
    where c.table_schema = current_schema() and c.column_name = 'institution_id'
  loop
    execute format('alter table %I enable row level security', t);
    execute format('alter table %I force row level security', t);
    execute format($policy$create policy institution_only on %I using (
      institution_id = (select nullif(nullif(current_setting('openchair.institution', true), '*'), '')::bigint)
      or (select current_setting('openchair.institution', true)) = '*')$policy$, t);
  end loop;
end
$$;
