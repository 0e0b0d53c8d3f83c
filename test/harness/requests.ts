/**
 * One request that succeeds for every route of the table, for the tests that walk all of them. A new route without
 * a line here fails those tests.
 */
import type { Route } from '../../src/api/route.ts';
import { DAY, type Ids, type World } from './world.ts';

export interface Sample {
  path?: Record<string, string | number>;
  query?: Record<string, string | number | (string | number)[]>;
  body?: Record<string, unknown>;
}

type MakeSample = (ids: Ids, world: World) => Sample;

const nothing: MakeSample = () => ({});
const newPatient = {
  first_name: 'Noa',
  last_name: 'Nash',
  email: 'noa@example.com',
  bio: { date_of_birth: '1985-03-04', phone_number: '2125550177', gender: 'Other', city: 'New York' },
};

const SAMPLES: Record<string, MakeSample> = {
  'POST /authenticates': nothing,
  'GET /institutions': nothing,
  'GET /institutions/:id': ({ institution: id }) => ({ path: { id } }),
  'GET /locations': () => ({ query: { foreign_id: 'L1', inactive: 'false' } }),
  'GET /locations/:id': ({ location: id }) => ({ path: { id } }),
  'GET /providers': ({ location, provider }) => ({
    query: {
      location_id: location,
      ids: [provider],
      include: ['locations', 'availabilities', 'appointment_types'],
      updated_since: '2020-01-01',
      requestable: 'true',
      sort: '-updated_at',
    },
  }),
  'GET /providers/:id': ({ provider: id }) => ({ path: { id }, query: { include: ['availabilities'] } }),
  'GET /operatories': ({ location: location_id }) => ({ query: { location_id, search_name: 'north' } }),
  'GET /operatories/:id': ({ operatory: id }) => ({ path: { id } }),
  'GET /patients': ({ location: location_id }) => ({
    query: { location_id, name: 'pia', include: ['upcoming_appts', 'address'], sort: 'updated_at', per_page: 2 },
  }),
  'POST /patients': ({ location: location_id, provider: provider_id }) => ({
    query: { location_id },
    body: { provider: { provider_id }, patient: newPatient, return_existing_if_match: false },
  }),
  'GET /patients/:id': ({ patient: id }) => ({
    path: { id },
    query: {
      include: [
        'upcoming_appts',
        'last_visited_appointment',
        'children',
        'guarantor',
        'provider',
        'address',
        'insurance_coverages',
        'patient_alerts',
      ],
    },
  }),
  'GET /insurance_coverages': ({ patient: patient_id }) => ({
    query: { patient_id, active: 'True', updated_since: '2020-01-01', per_page: 2 },
  }),
  'GET /insurance_coverages/:id': ({ coverage: id }) => ({ path: { id } }),
  'GET /patients/:id/insurance_coverages': ({ patient: id }) => ({ path: { id } }),
  'GET /insurance_plans': () => ({
    query: { payer_id: '87726', group_num: '12345', include_deleted: 'true', sort: '-updated_at' },
  }),
  'GET /insurance_plans/:id': ({ plan: id }) => ({
    path: { id },
    query: { include: ['patient_coverages', 'subscribers', 'fee_schedule'] },
  }),
  'GET /patient_recalls': ({ location: location_id, patient: patient_id, recallType: recall_id }) => ({
    query: { location_id, patient_id, recall_id, due_after: '2026-01-01T00:00:00Z', sort: '-date_due' },
  }),
  'GET /patient_recalls/:id': ({ recall: id }) => ({ path: { id } }),
  'GET /recall_types': ({ location: location_id }) => ({ query: { location_id, updated_since: '2020-01-01' } }),
  'GET /recall_types/:id': ({ recallType: id }) => ({ path: { id } }),
  'GET /appointment_types': ({ location: location_id }) => ({
    query: { location_id, include: ['descriptors', 'providers'] },
  }),
  'POST /appointment_types': ({ location, descriptor }) => ({
    body: {
      location_id: location,
      appointment_type: {
        name: 'Whitening',
        minutes: 45,
        parent_type: 'Location',
        parent_id: location,
        emr_appt_descriptor_ids: [descriptor],
      },
    },
  }),
  'GET /appointment_types/:id': ({ type: id, location: location_id }) => ({ path: { id }, query: { location_id } }),
  'PATCH /appointment_types/:id': ({ type: id, location, descriptor }) => ({
    path: { id },
    body: {
      appointment_type: {
        minutes: 40,
        parent_type: 'Location',
        parent_id: location,
        emr_appt_descriptor_ids: [descriptor],
      },
    },
  }),
  'DELETE /appointment_types/:id': ({ type: id, location: location_id }) => ({ path: { id }, query: { location_id } }),
  'GET /appointment_categories': ({ location: location_id }) => ({ query: { location_id } }),
  'POST /appointment_categories': ({ location: location_id }) => ({
    body: { location_id, appointment_category: { name: 'Whitening', minutes: '45' } },
  }),
  'GET /appointment_categories/:id': ({ type: id }) => ({ path: { id } }),
  'DELETE /appointment_categories/:id': ({ type: id }) => ({ path: { id } }),
  'GET /appointment_categories/:id/operatories': ({ type: id, location: location_id }) => ({
    path: { id },
    query: { location_id },
  }),
  'GET /locations/:id/appointment_descriptors': ({ location: id }) => ({
    path: { id },
    query: { descriptor_type: 'Procedure Codes' },
  }),
  'GET /appointment_types/:id/appointment_descriptors': ({ type: id, location: location_id }) => ({
    path: { id },
    query: { location_id },
  }),
  'GET /appointments/:id/appointment_descriptors': ({ appointment: id }) => ({ path: { id } }),
  'GET /availabilities': ({ location: location_id, provider: provider_id }) => ({
    query: { location_id, provider_id, include: ['appointment_types'], ignore_past_dates: 'True' },
  }),
  'POST /availabilities': ({ location: location_id, provider: provider_id, operatory: operatory_id, type }) => ({
    query: { location_id },
    body: {
      availability: {
        provider_id,
        operatory_id,
        begin_time: '9:00',
        end_time: '17:00',
        custom_recurrence: { num: 2, unit: 'week', ref: '2026-01-05' },
        appointment_type_ids: [type],
      },
    },
  }),
  'GET /availabilities/:id': ({ availability: id }) => ({ path: { id }, query: { include: ['appointment_types'] } }),
  'PATCH /availabilities/:id': ({ availability: id, provider: provider_id, operatory: operatory_id, type }) => ({
    path: { id },
    body: { availability: { provider_id, operatory_id, days: ['Monday'], appointment_category_ids: [type] } },
  }),
  'DELETE /availabilities/:id': ({ availability: id }) => ({ path: { id } }),
  'GET /working_hours': ({ location: location_id, provider: provider_id, label: label_id }) => ({
    query: { location_id, provider_id, label_id, source: 'manual', include: ['appointment_types'] },
  }),
  'POST /working_hours': ({ location: location_id, provider: provider_id, operatory: operatory_id, type }) => ({
    query: { location_id },
    body: {
      working_hour: {
        provider_id,
        operatory_id,
        begin_time: '9:00',
        end_time: '17:00',
        specific_date: '2099-12-24',
        appointment_type_ids: [type],
      },
    },
  }),
  'GET /working_hours/:id': ({ availability: id }) => ({ path: { id }, query: { include: ['appointment_types'] } }),
  'PATCH /working_hours/:id': ({ availability: id, provider: provider_id, operatory: operatory_id, type }) => ({
    path: { id },
    body: { working_hour: { provider_id, operatory_id, days: ['Monday'], appointment_type_ids: [type] } },
  }),
  'DELETE /working_hours/:id': ({ availability: id }) => ({ path: { id } }),
  'GET /working_hour_labels': ({ location: location_id }) => ({ query: { location_id, search_name: 'new' } }),
  'GET /available_slots': ({ location, operatory, label, type: appointment_type_id }) => ({
    query: {
      start_date: DAY,
      days: 1,
      lids: [location],
      operatory_ids: [operatory],
      appointment_type_id,
      working_hour_label_id: label,
      working_hour_source: 'manual',
      appointments_per_timeslot: 2,
    },
  }),
  'GET /appointment_slots': ({ location, provider, operatory, type: appointment_type_id }) => ({
    query: {
      start_date: DAY,
      days: 1,
      lids: [location],
      pids: [provider],
      operatory_ids: [operatory],
      appointment_type_id,
    },
  }),
  'GET /appointments': ({ location: location_id, patient, provider }) => ({
    query: {
      location_id,
      start: DAY,
      end: `${DAY}T23:59:59Z`,
      patient_ids: [patient],
      provider_ids: [provider],
      include: ['patient', 'descriptors'],
    },
  }),
  'POST /appointments': ({ location: location_id, patient, provider, operatory, type, descriptor }) => ({
    query: { location_id, notify_patient: 'false' },
    body: {
      appt: {
        patient_id: patient,
        provider_id: provider,
        operatory_id: operatory,
        appointment_type_id: type,
        descriptor_ids: [descriptor],
        start_time: `${DAY}T14:00:00Z`,
        end_time: `${DAY}T14:30:00Z`,
        note: 'first visit',
      },
    },
  }),
  'GET /appointments/:id': ({ appointment: id }) => ({ path: { id }, query: { include: ['patient', 'operatory'] } }),
  'PATCH /appointments/:id': ({ appointment: id }) => ({ path: { id }, body: { appt: { cancelled: true } } }),
  'GET /appointments/:id/writes': ({ appointment: id }) => ({ path: { id } }),
  'GET /patients/:id/alerts': ({ patient: id }) => ({ path: { id }, query: { include_disabled: 'true' } }),
  'POST /patients/:id/alerts': ({ patient: id }) => ({
    path: { id },
    body: { patient_alert: { note: 'Allergic to latex' } },
  }),
  'GET /patients/:id/alerts/:alert_id': ({ patient: id, alert: alert_id }) => ({ path: { id, alert_id } }),
  'PATCH /patients/:id/alerts/:alert_id': ({ patient: id, alert: alert_id }) => ({
    path: { id, alert_id },
    body: { patient_alert: { disabled: true } },
  }),
  'GET /patients/:id/alerts/:alert_id/writes': ({ patient: id, alert: alert_id }) => ({ path: { id, alert_id } }),
  'GET /sync_status': ({ location }) => ({ query: { location_ids: [location], read_status: 'green' } }),
  'GET /onboardings': () => ({ query: { status: 'in_progress', sort: '-subdomain,created_at', per_page: 2 } }),
  'POST /onboardings': () => ({
    body: { onboarding: { institution_name: 'Birch Dental', institution_zip_code: '10001', emr_name: 'opendental' } },
  }),
  'GET /onboardings/:hashid': (_ids, { onboarding: hashid }) => ({ path: { hashid } }),
  'GET /nex_staff': ({ location }) => ({ query: { location_ids: [location], inactive: 'false' } }),
  'GET /webhook_endpoints': () => ({ query: { active: 'true' } }),
  'POST /webhook_endpoints': () => ({ body: { target_url: 'https://receiver.example/three', active: true } }),
  'PATCH /webhook_endpoints/:id': ({ endpoint: id }) => ({ path: { id }, body: { active: false } }),
  'DELETE /webhook_endpoints/:id': ({ endpoint: id }) => ({ path: { id } }),
  'GET /webhook_endpoints/:id/webhook_subscriptions': ({ endpoint: id }) => ({ path: { id } }),
  'POST /webhook_endpoints/:id/webhook_subscriptions': ({ endpoint: id }) => ({
    path: { id },
    body: { resource_type: 'Appointment', event: 'appointment_insertion', active: true },
  }),
  'PATCH /webhook_endpoints/:id/webhook_subscriptions/:subscription_id': (ids) => ({
    path: { id: ids.endpoint, subscription_id: ids.subscription },
    body: { new_endpoint_id: ids.otherEndpoint, active: false },
  }),
  'DELETE /webhook_endpoints/:id/webhook_subscriptions/:subscription_id': (ids) => ({
    path: { id: ids.endpoint, subscription_id: ids.subscription },
  }),
  'GET /webhook_deliveries': ({ endpoint: endpoint_id }) => ({ query: { endpoint_id, state: 'pending' } }),
  'GET /webhook_deliveries/:id': ({ delivery: id }) => ({ path: { id } }),
  'POST /webhook_deliveries/:id/redeliver': ({ delivery: id }) => ({ path: { id } }),
  'GET /events': () => ({ query: { after: 0, per_page: 10 } }),
  'POST /push/:token': (_ids, { pushToken: token }) => ({ path: { token } }),
};

export const nameOf = (route: Route) => `${route.method} ${route.path}`;

/** Undefined for a route that nobody has written one for. */
export function findSample(route: Route): MakeSample | undefined {
  return SAMPLES[nameOf(route)];
}

/** Names of the samples, to find those whose route has gone. */
export const sampleNames = () => Object.keys(SAMPLES);

/** The ids that a route's sample carries: each of them is a door that another practice's id must not open. */
export function idsIn(make: MakeSample, world: World): (keyof Ids)[] {
  const used = new Set<keyof Ids>();
  make(
    new Proxy(world.ids, {
      get(ids, name: keyof Ids) {
        used.add(name);
        return ids[name];
      },
    }),
    world,
  );
  return [...used];
}

/** The sample's path with its query; lists are written with brackets. */
export function pathOf(route: Route, sample: Sample, subdomain: string): string {
  const path = route.path.replace(/:(\w+)/g, (_place, name: string) => String(sample.path?.[name]));
  const query = new URLSearchParams(route.subdomain === 'none' ? {} : { subdomain });
  for (const [name, value] of Object.entries(sample.query ?? {})) {
    if (Array.isArray(value)) for (const entry of value) query.append(`${name}[]`, String(entry));
    else query.append(name, String(value));
  }
  const text = query.toString();
  return text === '' ? path : `${path}?${text}`;
}
