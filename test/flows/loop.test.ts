import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { after, before, test } from 'node:test';
import { Webhook } from 'standardwebhooks';
import { bookSlot, endedWrite, openSlots } from '../harness/booking.ts';
import { type Body, type DemoProgram, startDemoProgram, until } from '../harness/program.ts';
import { type Receiver, startReceiver } from '../harness/receiver.ts';

let program: DemoProgram;
let receiver: Receiver;
let secret: string;

before(async () => {
  [program, receiver] = await Promise.all([startDemoProgram({ LOG_LEVEL: 'trace' }), startReceiver()]);
  const endpoint = await program.api('POST', '/webhook_endpoints', { target_url: `${receiver.url}/hook` });
  assert.equal(endpoint.status, 201);
  secret = endpoint.body.data.secret_key;
  for (const [resource_type, event] of [
    ['Appointment', 'appointment_insertion'],
    ['Appointment', 'appointment_created'],
    ['Appointment', 'appointment_updated'],
    ['Patient', 'patient_created'],
    ['Provider', 'provider_updated'],
    ['WorkingHour', 'working_hour_created'],
    ['WorkingHour', 'working_hour_updated'],
  ]) {
    const path = `/webhook_endpoints/${endpoint.body.data.id}/webhook_subscriptions?subdomain=${program.demo.subdomain}`;
    assert.equal((await program.api('POST', path, { resource_type, event })).status, 201);
  }
});

after(async () => {
  await receiver?.close();
  await program?.end();
});

const heard = (name: string, test: (data: Body) => boolean = () => true) =>
  until(`webhook ${name}`, async () =>
    receiver.requests
      .map((request) => ({ request, event: JSON.parse(request.body.toString()) }))
      .find(({ event }) => event.event_name === name && test(event.data)),
  );

test('a slot is booked, lands in the practice, and the app hears it, signed twice over', async () => {
  const { demo, api, sandbox } = program;
  const [slot] = await openSlots(program);
  const type = demo.appointment_type_ids[0];
  const booked = await bookSlot(program, slot, { note: 'first visit', appointment_type_id: type });
  assert.equal(booked.status, 201, JSON.stringify(booked.body));
  assert.deepEqual(Object.keys(booked.body).sort(), ['code', 'count', 'data', 'description', 'error']);
  const { appt } = booked.body.data;
  assert.equal(appt.foreign_id, null);
  assert.equal(appt.foreign_id_type, 'nex');
  assert.equal(Date.parse(appt.start_time), Date.parse(slot.time));
  assert.equal(appt.provider_id, demo.provider_ids[0]);

  const { request, event } = await heard('appointment_insertion.complete', (data) => data.appointment.id === appt.id);
  assert.match(event.data.appointment.foreign_id, /^\d+$/);
  const { timestamp, signature } = request.headers as Record<string, string>;
  const signed = `${timestamp}.${request.body.toString('base64')}`;
  assert.equal(signature, createHmac('sha256', secret).update(signed).digest('hex'));
  new Webhook(`whsec_${Buffer.from(secret).toString('base64')}`).verify(
    request.body.toString(),
    request.headers as Record<string, string>,
  );
  await heard('appointment_created', (data) => data.appointments[0].id === appt.id);

  const { body: visit } = await sandbox('GET', `/v1/visits/${event.data.appointment.foreign_id}`);
  assert.equal(Date.parse(visit.start), Date.parse(slot.time));
  assert.equal(visit.state, 'scheduled');
  assert.equal(visit.note, 'first visit');
  assert.equal(visit.visit_code, 'EXAM', 'the type’s descriptor goes with it');

  const shown = await api('GET', `/appointments/${appt.id}?subdomain=${demo.subdomain}`);
  assert.equal(shown.body.data.foreign_id, String(visit.id));
  assert.equal(shown.body.data.misc.is_booked_on_nexhealth, true);
  const again = await openSlots(program);
  assert.ok(!again.some((one) => one.time === slot.time), 'a booked slot is offered no more');
});

test('what the front desk does is heard, with what was before', async () => {
  const { sandbox } = program;
  const slots = await openSlots(program);
  const { body } = await bookSlot(program, slots[0]);
  const id = body.data.appt.id;
  const { event } = await heard('appointment_insertion.complete', (data) => data.appointment.id === id);
  const visitId = event.data.appointment.foreign_id;
  const target = slots.at(-1);
  const moved = await sandbox('POST', `/desk/visits/${visitId}/move`, { start: target.time, end: target.end_time });
  assert.equal(moved.status, 200, JSON.stringify(moved.body));
  const { event: update } = await heard('appointment_updated', (data) => data.appointment.id === id);
  assert.equal(Date.parse(update.data.appointment.start_time), Date.parse(target.time));
  assert.equal(Date.parse(update.data.previous_attributes.start_time), Date.parse(slots[0].time));
});

test('confirm and cancel go through, and each is one appointment_updated', async () => {
  const { api, demo, sandbox } = program;
  const [slot] = await openSlots(program);
  const { body } = await bookSlot(program, slot);
  const id = body.data.appt.id;
  const early = await api('PATCH', `/appointments/${id}?subdomain=${demo.subdomain}`, { appt: { confirmed: true } });
  if (early.status !== 200) {
    assert.equal(early.status, 400);
    assert.deepEqual(early.body.error, [
      'Cannot update appointment because it is not synced with the PMS and/or a live client',
    ]);
  }
  await until('the write', () => endedWrite(program, id));
  const confirmed = await api('PATCH', `/appointments/${id}?subdomain=${demo.subdomain}`, {
    appt: { confirmed: 'True' },
  });
  assert.equal(confirmed.status, 200);
  assert.equal(confirmed.body.data.appt.confirmed, true);
  const { event } = await heard(
    'appointment_updated',
    (data) => data.appointment.id === id && data.appointment.confirmed,
  );
  assert.equal(event.data.previous_attributes.confirmed, false);
  const visitId = event.data.appointment.foreign_id;
  assert.equal((await sandbox('GET', `/v1/visits/${visitId}`)).body.confirmation, 'confirmed');

  const cancelled = await api('PATCH', `/appointments/${id}?subdomain=${demo.subdomain}`, {
    appt: { cancelled: true },
  });
  assert.equal(cancelled.body.data.appt.cancelled, true);
  await heard('appointment_updated', (data) => data.appointment.id === id && data.appointment.cancelled);
  assert.equal((await sandbox('GET', `/v1/visits/${visitId}`)).body.state, 'broken');
  const repeated = await api('PATCH', `/appointments/${id}?subdomain=${demo.subdomain}`, { appt: { cancelled: true } });
  assert.equal(repeated.status, 400);
});

test('whom and when the practice changes is heard, as the API then shows it', async () => {
  const { api, demo, sandbox } = program;
  const providerId = demo.provider_ids[1];
  const show = async () => (await api('GET', `/providers/${providerId}?subdomain=${demo.subdomain}`)).body.data;
  const practitioner = `/desk/practitioners/${(await show()).foreign_id}`;
  for (const active of [false, true]) {
    assert.equal((await sandbox('PATCH', practitioner, { active })).status, 200);
    const { event } = await heard(
      'provider_updated',
      ({ provider }) => provider.id === providerId && provider.inactive === !active,
    );
    assert.deepEqual(event.data.provider, await show());
  }

  const { foreign_id } = (await api('GET', `/locations/${demo.location_id}?subdomain=${demo.subdomain}`)).body.data;
  const hours = { site_id: Number(foreign_id), practitioner_id: Number((await show()).foreign_id), date: '2030-01-06' };
  const made = await sandbox('POST', '/desk/schedules', { ...hours, opens: '09:00', closes: '12:00' });
  assert.equal(made.status, 201, JSON.stringify(made.body));
  const { event } = await heard('working_hour_created', (data) => data.working_hour.specific_date === '2030-01-06');
  const { working_hour } = event.data;
  const isLater = (data: Body) => data.working_hour.id === working_hour.id;
  await sandbox('PATCH', `/desk/schedules/${made.body.id}`, { closes: '13:00' });
  await heard('working_hour_updated', (data) => isLater(data) && data.working_hour.end_time === '13:00');
  await sandbox('DELETE', `/desk/schedules/${made.body.id}`);
  await heard('working_hour_updated', (data) => isLater(data) && !data.working_hour.active);
  const path = `/working_hours/${working_hour.id}?subdomain=${demo.subdomain}`;
  assert.equal((await api('GET', path)).status, 404);
});

test('a new patient reaches the practice with the first appointment', async () => {
  const { api, demo, sandbox } = program;
  const created = await api('POST', `/patients?subdomain=${demo.subdomain}&location_id=${demo.location_id}`, {
    provider: { provider_id: demo.provider_ids[0] },
    patient: {
      first_name: 'Flora',
      last_name: 'Testwood',
      email: 'flora@example.com',
      bio: { date_of_birth: '1990-02-03', phone_number: '2125550177', gender: 'Female' },
    },
  });
  assert.equal(created.status, 201, JSON.stringify(created.body));
  const patientId = created.body.data.user.id;
  assert.equal(created.body.data.user.bio.new_patient, true);
  const [slot] = await openSlots(program);
  const { body } = await bookSlot(program, slot, { patient_id: patientId });
  const { event } = await heard('patient_created', (data) => data.patients[0].id === patientId);
  assert.equal(event.data.patients[0].bio.new_patient, false);
  await heard('appointment_insertion.complete', (data) => data.appointment.id === body.data.appt.id);
  const { body: found } = await sandbox('GET', '/v1/patients?last_name=Testwood&birth_date=1990-02-03');
  assert.equal(found.items.length, 1);
});

test('a guardian books for a child, who becomes a patient', async () => {
  const { api, demo } = program;
  const [slot] = await openSlots(program);
  const { status, body } = await bookSlot(program, slot, {
    is_guardian: true,
    patient: { first_name: 'Robin', last_name: 'Testwood', bio: { date_of_birth: '2018-05-06', gender: 'Other' } },
  });
  assert.equal(status, 201, JSON.stringify(body));
  const { appt } = body.data;
  assert.notEqual(appt.patient_id, demo.patient_ids[0]);
  await heard('appointment_insertion.complete', (data) => data.appointment.id === appt.id);
  const child = await api('GET', `/patients/${appt.patient_id}?subdomain=${demo.subdomain}`);
  assert.equal(child.body.data.guarantor_id, demo.patient_ids[0]);
  assert.match(child.body.data.foreign_id, /^\d+$/);
});

test('a block takes time without a patient, in the practice too', async () => {
  const { demo, sandbox } = program;
  const [slot] = await openSlots(program);
  const { status, body } = await bookSlot(program, slot, {
    unavailable: true,
    patient_id: undefined,
    note: 'staff meeting',
  });
  assert.equal(status, 201, JSON.stringify(body));
  assert.equal(body.data.appt.unavailable, true);
  assert.equal(body.data.appt.patient_id, null);
  await heard('appointment_insertion.complete', (data) => data.appointment.id === body.data.appt.id);
  const { body: blocks } = await sandbox('GET', '/v1/blocks?limit=1000');
  assert.ok(blocks.items.some((one: Body) => one.start === new Date(slot.time).toISOString()));
  assert.ok(!(await openSlots(program)).some((one) => one.time === slot.time));
  void demo;
});

test('the same Idempotency-Key gives the same answer, another body 422', async () => {
  const slots = await openSlots(program);
  const headers = { 'idempotency-key': 'flow-1' };
  const first = await bookSlot(program, slots[0], {}, headers);
  const second = await bookSlot(program, slots[0], {}, headers);
  assert.equal(first.status, 201);
  assert.deepEqual(second.body, first.body);
  assert.equal((await bookSlot(program, slots[1], {}, headers)).status, 422);
  // A refusal is an answer too.
  const refused = await bookSlot(program, slots[0], {}, { 'idempotency-key': 'flow-2' });
  assert.equal(refused.status, 400);
  assert.deepEqual((await bookSlot(program, slots[0], {}, { 'idempotency-key': 'flow-2' })).body, refused.body);
});

test('every event is in the log once, without gaps', async () => {
  const { api, demo } = program;
  const seen: number[] = [];
  const { body } = await api('GET', `/events?subdomain=${demo.subdomain}&per_page=1000`);
  for (const event of body.data) seen.push(event.position);
  assert.ok(seen.length > 5);
  assert.deepEqual(
    seen,
    seen.map((_, at) => at + 1),
  );
});

test('nothing of all this is in the log that names a patient', () => {
  const output = program.output();
  for (const canary of [
    'Flora',
    'Testwood',
    'flora@example.com',
    '2125550177',
    '1990-02-03',
    'first visit',
    'staff meeting',
  ]) {
    assert.ok(!output.includes(canary), canary);
  }
  assert.ok(!output.includes(program.demo.api_key));
});
