-- Which HRS a connection leads to, as its kind names it: no two lead to one. The program fills in what is null and can
-- be known when it starts.
alter table connection add column hrs_identity text;
alter table connection add unique (kind, hrs_identity);

-- What was in the way of a pass, in plain words and without patient data.
alter table sync_run add column error text;
