-- The practice's file. BOOLEAN and JSON are declared so that the store knows how to turn a column into a value.
-- Every kind of record carries the same four stamps; `revision` is its place in the change feed.

CREATE TABLE IF NOT EXISTS sites (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  name TEXT NOT NULL,
  zone TEXT NOT NULL,
  schedules_by TEXT NOT NULL CHECK (schedules_by IN ('practitioner', 'room')),
  phone TEXT,
  street TEXT,
  city TEXT,
  state TEXT,
  zip TEXT,
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL,
  created_revision INTEGER NOT NULL,
  revision INTEGER NOT NULL
);

CREATE TABLE IF NOT EXISTS practitioners (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  first_name TEXT NOT NULL,
  last_name TEXT NOT NULL,
  title TEXT,
  site_ids JSON NOT NULL,
  active BOOLEAN NOT NULL,
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL,
  created_revision INTEGER NOT NULL,
  revision INTEGER NOT NULL
);

CREATE TABLE IF NOT EXISTS rooms (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  site_id INTEGER NOT NULL REFERENCES sites,
  name TEXT NOT NULL,
  active BOOLEAN NOT NULL,
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL,
  created_revision INTEGER NOT NULL,
  revision INTEGER NOT NULL
);

CREATE TABLE IF NOT EXISTS codes (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  code TEXT NOT NULL UNIQUE,
  kind TEXT NOT NULL CHECK (kind IN ('visit_type', 'procedure')),
  description TEXT NOT NULL,
  minutes INTEGER NOT NULL,
  active BOOLEAN NOT NULL,
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL,
  created_revision INTEGER NOT NULL,
  revision INTEGER NOT NULL
);

-- Names for hours that are kept for something; without a site it counts for all.
CREATE TABLE IF NOT EXISTS schedule_labels (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  site_id INTEGER REFERENCES sites,
  name TEXT NOT NULL,
  active BOOLEAN NOT NULL,
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL,
  created_revision INTEGER NOT NULL,
  revision INTEGER NOT NULL
);

-- Wall-clock hours at the site. A row is weekly (`weekday`) or for one day (`date`), and belongs to a practitioner or a
-- room; without a label it is of the ordinary hours. `label_id` is added to an older file by the store.
CREATE TABLE IF NOT EXISTS schedules (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  site_id INTEGER NOT NULL REFERENCES sites,
  practitioner_id INTEGER REFERENCES practitioners,
  room_id INTEGER REFERENCES rooms,
  weekday TEXT CHECK (weekday IN ('mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun')),
  date TEXT,
  opens TEXT NOT NULL,
  closes TEXT NOT NULL,
  label_id INTEGER REFERENCES schedule_labels,
  active BOOLEAN NOT NULL,
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL,
  created_revision INTEGER NOT NULL,
  revision INTEGER NOT NULL,
  CHECK ((practitioner_id IS NULL) <> (room_id IS NULL)),
  CHECK ((weekday IS NULL) <> (date IS NULL)),
  CHECK (opens < closes)
);

CREATE TABLE IF NOT EXISTS patients (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  first_name TEXT NOT NULL,
  middle_name TEXT,
  last_name TEXT NOT NULL COLLATE NOCASE,
  birth_date TEXT,
  sex TEXT CHECK (sex IN ('F', 'M', 'X')),
  phone_home TEXT,
  phone_cell TEXT,
  phone_work TEXT,
  email TEXT,
  street TEXT,
  city TEXT,
  state TEXT,
  zip TEXT,
  language TEXT,
  sms_ok BOOLEAN NOT NULL,
  active BOOLEAN NOT NULL,
  guarantor_id INTEGER REFERENCES patients,
  home_site_id INTEGER REFERENCES sites,
  usual_practitioner_id INTEGER REFERENCES practitioners,
  merged_into INTEGER REFERENCES patients,
  external_ref TEXT,
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL,
  created_revision INTEGER NOT NULL,
  revision INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS patients_by_name ON patients (last_name, birth_date);
CREATE INDEX IF NOT EXISTS patients_by_ref ON patients (external_ref) WHERE external_ref IS NOT NULL;

-- Notes that staff see when they open the patient, until they are off.
CREATE TABLE IF NOT EXISTS alerts (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  patient_id INTEGER NOT NULL REFERENCES patients,
  note TEXT NOT NULL,
  off_since TEXT,
  external_ref TEXT,
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL,
  created_revision INTEGER NOT NULL,
  revision INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS alerts_by_patient ON alerts (patient_id);
CREATE INDEX IF NOT EXISTS alerts_by_ref ON alerts (external_ref) WHERE external_ref IS NOT NULL;

CREATE TABLE IF NOT EXISTS plans (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  name TEXT NOT NULL,
  payer_code TEXT,
  group_number TEXT,
  employer TEXT,
  street TEXT,
  city TEXT,
  state TEXT,
  zip TEXT,
  country TEXT,
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL,
  created_revision INTEGER NOT NULL,
  revision INTEGER NOT NULL
);

-- A patient's insurance. The subscriber is whose contract it is; null when they are no patient here.
CREATE TABLE IF NOT EXISTS coverages (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  patient_id INTEGER NOT NULL REFERENCES patients,
  plan_id INTEGER REFERENCES plans,
  subscriber_id INTEGER REFERENCES patients,
  relation TEXT NOT NULL CHECK (relation IN ('self', 'spouse', 'partner', 'child', 'dependent', 'employee', 'other')),
  rank INTEGER CHECK (rank BETWEEN 1 AND 9),
  member_number TEXT,
  starts TEXT,
  ends TEXT,
  covers TEXT CHECK (covers IN ('dental', 'medical', 'vision')),
  active BOOLEAN NOT NULL,
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL,
  created_revision INTEGER NOT NULL,
  revision INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS coverages_by_patient ON coverages (patient_id);
CREATE INDEX IF NOT EXISTS coverages_by_subscriber ON coverages (subscriber_id);

-- Why and how often patients are asked to come back.
CREATE TABLE IF NOT EXISTS recall_types (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  site_id INTEGER REFERENCES sites,
  name TEXT NOT NULL,
  description TEXT,
  every INTEGER NOT NULL CHECK (every > 0),
  unit TEXT NOT NULL CHECK (unit IN ('day', 'week', 'month', 'year')),
  active BOOLEAN NOT NULL,
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL,
  created_revision INTEGER NOT NULL,
  revision INTEGER NOT NULL
);

CREATE TABLE IF NOT EXISTS visits (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  site_id INTEGER NOT NULL REFERENCES sites,
  patient_id INTEGER NOT NULL REFERENCES patients,
  practitioner_id INTEGER NOT NULL REFERENCES practitioners,
  room_id INTEGER REFERENCES rooms,
  start TEXT NOT NULL,
  "end" TEXT NOT NULL,
  visit_code TEXT REFERENCES codes (code),
  note TEXT,
  state TEXT NOT NULL CHECK (state IN ('scheduled', 'arrived', 'done', 'broken', 'noshow', 'deleted')),
  confirmation TEXT NOT NULL CHECK (confirmation IN ('none', 'confirmed')),
  confirmed_at TEXT,
  arrived_at TEXT,
  done_at TEXT,
  broken_at TEXT,
  external_ref TEXT,
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL,
  created_revision INTEGER NOT NULL,
  revision INTEGER NOT NULL,
  CHECK (start < "end")
);
CREATE INDEX IF NOT EXISTS visits_by_room ON visits (room_id, start);
CREATE INDEX IF NOT EXISTS visits_by_practitioner ON visits (practitioner_id, start);
CREATE INDEX IF NOT EXISTS visits_by_patient ON visits (patient_id);
CREATE INDEX IF NOT EXISTS visits_by_ref ON visits (external_ref) WHERE external_ref IS NOT NULL;

CREATE TABLE IF NOT EXISTS blocks (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  site_id INTEGER NOT NULL REFERENCES sites,
  practitioner_id INTEGER REFERENCES practitioners,
  room_id INTEGER REFERENCES rooms,
  start TEXT NOT NULL,
  "end" TEXT NOT NULL,
  reason TEXT,
  external_ref TEXT,
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL,
  created_revision INTEGER NOT NULL,
  revision INTEGER NOT NULL,
  CHECK (practitioner_id IS NOT NULL OR room_id IS NOT NULL),
  CHECK (start < "end")
);
CREATE INDEX IF NOT EXISTS blocks_by_ref ON blocks (external_ref) WHERE external_ref IS NOT NULL;

-- A patient is due to come back; `visit_id` is the visit that answers it.
CREATE TABLE IF NOT EXISTS recalls (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  patient_id INTEGER NOT NULL REFERENCES patients,
  recall_type_id INTEGER REFERENCES recall_types,
  site_id INTEGER REFERENCES sites,
  due TEXT,
  visit_id INTEGER REFERENCES visits,
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL,
  created_revision INTEGER NOT NULL,
  revision INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS recalls_by_patient ON recalls (patient_id);
CREATE INDEX IF NOT EXISTS recalls_by_visit ON recalls (visit_id);

-- One row per record, at the revision of its newest change: a record that changes again moves to the end of the feed.
CREATE TABLE IF NOT EXISTS changes (
  revision INTEGER PRIMARY KEY,
  kind TEXT NOT NULL,
  record_id INTEGER NOT NULL,
  deleted BOOLEAN NOT NULL,
  UNIQUE (kind, record_id)
);

-- `head` is the newest revision given out, `trimmed_to` the head when deletions were last forgotten.
CREATE TABLE IF NOT EXISTS feed (
  only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
  head INTEGER NOT NULL,
  trimmed_to INTEGER NOT NULL
);
INSERT OR IGNORE INTO feed VALUES (1, 0, 0);

CREATE TABLE IF NOT EXISTS audit (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  at TEXT NOT NULL,
  who TEXT NOT NULL CHECK (who IN ('api', 'desk')),
  action TEXT NOT NULL,
  kind TEXT NOT NULL,
  record_id INTEGER NOT NULL,
  ref TEXT
);
CREATE INDEX IF NOT EXISTS audit_by_ref ON audit (ref) WHERE ref IS NOT NULL;

CREATE TABLE IF NOT EXISTS hooks (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  url TEXT NOT NULL UNIQUE
);

-- Numbering begins apart for each kind, so that an id used for the wrong kind finds nothing.
INSERT INTO sqlite_sequence (name, seq)
SELECT kind, first FROM (
  SELECT 'patients' AS kind, 1000 AS first UNION ALL SELECT 'blocks', 3000 UNION ALL SELECT 'visits', 50000
  UNION ALL SELECT 'alerts', 700000 UNION ALL SELECT 'coverages', 800000 UNION ALL SELECT 'recalls', 900000
) WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = kind);
