/** A small practice as rows: what a sync would have read, without the HRS behind it. */
import { randomUUID } from 'node:crypto';
import { type Database, forAll, type Tx } from '../../src/store/database.ts';
import { createApiKey, newApiKey } from '../../src/store/keys.ts';

export type Practice = Awaited<ReturnType<typeof createPractice>>;

const WORKDAYS = 0b0111110;

/**
 * One institution with a connection of kind `sandbox`. North (New York) books by provider, South (Denver) by
 * operatory. Foreign ids are the same in every practice, so two of them collide wherever they can.
 */
export function createPractice(db: Database, subdomain: string) {
  return forAll(db, async (tx) => {
    const institution = await tx
      .insertInto('institution')
      .values({ name: `${subdomain} Dental`, subdomain, phone_number: '2125550100' })
      .returningAll()
      .executeTakeFirstOrThrow();
    const institution_id = institution.id;
    const connection = await tx
      .insertInto('connection')
      .values({
        institution_id,
        kind: 'sandbox',
        name: `${subdomain} server`,
        config: '{}',
        sync_cycle_ms: 60_000,
        push_token: randomUUID(),
        sync_due_at: '2100-01-01T00:00:00.000Z',
        read_status: 'green',
      })
      .returningAll()
      .executeTakeFirstOrThrow();
    const hrs = { institution_id, connection_id: connection.id };
    const insert = inserter(tx);

    const north = await insert('location', { ...hrs, name: 'North', tz: 'America/New_York', foreign_id: 'L1' });
    const south = await insert('location', {
      ...hrs,
      name: 'South',
      tz: 'America/Denver',
      map_by_operatory: true,
      foreign_id: 'L2',
    });

    const provider = (first_name: string, last_name: string, foreign_id: string, rest: object = {}) =>
      insert('provider', { ...hrs, first_name, last_name, foreign_id, ...rest });
    const ada = await provider('Ada', 'Alder', 'P1', { npi: '1234567893', specialty: 'General Dentistry' });
    const ben = await provider('Ben', 'Birch', 'P2');
    const cy = await provider('Cy', 'Cedar', 'P3', { inactive: true });
    const worksAt = [
      [ada, north],
      [ben, north],
      [ben, south],
      [cy, north],
    ];
    for (const [provider_id, location_id] of worksAt as [number, number][]) {
      await tx.insertInto('provider_location').values({ institution_id, provider_id, location_id }).execute();
    }

    const room = (location_id: number, name: string, foreign_id: string, rest: object = {}) =>
      insert('operatory', { ...hrs, location_id, name, foreign_id, ...rest });
    const roomNorth = await room(north, 'North 1', 'O1');
    const roomSouth = await room(south, 'South 1', 'O2');
    const roomClosed = await room(south, 'South 100% closed', 'O3', { active: false });

    const examCode = await insert('descriptor', {
      ...hrs,
      descriptor_type: 'Appointment Type',
      name: 'Exam',
      code: 'EX',
      foreign_id: 'D1',
    });
    const cleaningCode = await insert('descriptor', {
      ...hrs,
      location_id: north,
      descriptor_type: 'Procedure Code',
      name: 'Prophylaxis',
      code: 'D1110',
      foreign_id: 'D2',
    });

    const cleaning = await insert('appointment_type', { institution_id, name: 'Cleaning', minutes: 30 });
    const exam = await insert('appointment_type', { institution_id, name: 'Exam', minutes: 60 });
    const southOnly = await insert('appointment_type', {
      institution_id,
      location_id: south,
      name: 'Surgery',
      minutes: 90,
    });
    await tx
      .insertInto('appointment_type_descriptor')
      .values({ institution_id, appointment_type_id: cleaning, descriptor_id: cleaningCode })
      .execute();

    const adaHours = await insert('availability', {
      institution_id,
      location_id: north,
      provider_id: ada,
      begin_minute: 540,
      end_minute: 1020,
      days: WORKDAYS,
    });
    await tx
      .insertInto('availability_appointment_type')
      .values({ institution_id, availability_id: adaHours, appointment_type_id: cleaning })
      .execute();
    const benHours = await insert('availability', {
      ...hrs,
      location_id: south,
      provider_id: ben,
      operatory_id: roomSouth,
      begin_minute: 480,
      end_minute: 1440,
      days: WORKDAYS,
      source: 'synced',
      foreign_id: 'H1',
    });

    const patient = (first_name: string, last_name: string, foreign_id: string, rest: object = {}) =>
      insert('patient', { ...hrs, first_name, last_name, foreign_id, location_ids: [north], ...rest });
    const pia = await patient('Pia', 'Pine', 'A1', {
      email: 'Pia@Example.com',
      date_of_birth: '1990-02-28',
      phone_number: '2125550134',
      provider_id: ada,
      address_line_1: '1 Oak Street',
      zip_code: '10001',
    });
    const quin = await patient('Quin', 'Pine', 'A2', { guarantor_id: pia, date_of_birth: '2015-06-01' });
    const gone = await patient('Rex', 'Reed', 'A3', { inactive: true, location_ids: [south] });

    return {
      institution,
      connection,
      locations: { north, south },
      providers: { ada, ben, cy },
      operatories: { roomNorth, roomSouth, roomClosed },
      descriptors: { examCode, cleaningCode },
      types: { cleaning, exam, southOnly },
      availabilities: { adaHours, benHours },
      patients: { pia, quin, gone },
    };
  });
}

/** Inserts one row and gives back its id. */
function inserter(tx: Tx) {
  return async (
    table:
      | 'location'
      | 'provider'
      | 'operatory'
      | 'descriptor'
      | 'appointment_type'
      | 'availability'
      | 'patient'
      | 'appointment',
    values: object,
  ): Promise<number> => {
    const { id } = await tx
      .insertInto(table)
      .values(values as never)
      .returning('id')
      .executeTakeFirstOrThrow();
    return id;
  };
}

/** An appointment that the HRS has, from `startAt` for half an hour, with Ada at North. */
export function createAppointment(
  db: Database,
  practice: Practice,
  startAt: string,
  fields: object = {},
): Promise<number> {
  return forAll(db, (tx) =>
    inserter(tx)('appointment', {
      institution_id: practice.institution.id,
      connection_id: practice.connection.id,
      location_id: practice.locations.north,
      provider_id: practice.providers.ada,
      patient_id: practice.patients.pia,
      start_at: startAt,
      end_at: new Date(Date.parse(startAt) + 30 * 60_000).toISOString(),
      foreign_id: randomUUID(),
      ...fields,
    }),
  );
}

/** A key of an API user of its own that reaches these institutions. */
export function createKey(
  db: Database,
  institutionIds: number[],
  { isAdmin = false } = {},
): Promise<{ key: string; apiUserId: number }> {
  return forAll(db, async (tx) => {
    const key = newApiKey();
    const { apiUserId } = await createApiKey(tx, { name: 'test', isAdmin, institutionIds, key });
    return { key, apiUserId };
  });
}
