/** A booking site in small: finds a slot, books it for a patient, and hears by webhook what truly happened. */
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type Appointment, createClient, verifyStandardWebhook } from 'openchair/client';

type Insertion = { event_name: string; data: { appointment: Appointment; message?: string } };

const demo = JSON.parse(readFileSync(process.argv[2] ?? 'data/demo.json', 'utf8'));
const client = createClient({ baseUrl: demo.base_url, key: demo.api_key, subdomain: demo.subdomain });
const place = { location_id: demo.location_id };

// The webhook may be faster than the answer to the booking: what is heard waits in here.
const heard = new Map<number, Insertion>();
let secretKey = '';
const receiver = createServer(async (request, response) => {
  const body = Buffer.concat(await request.toArray());
  try {
    const event = verifyStandardWebhook<Insertion>({ body, headers: request.headers }, secretKey);
    heard.set(event.data.appointment.id, event);
    response.end();
  } catch (error) {
    response.writeHead(401).end(String(error));
  }
});
await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve));
const target_url = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/`;
const { data: endpoint } = await client.post('/webhook_endpoints', { target_url });
secretKey = endpoint.secret_key;
const insertion = { resource_type: 'Appointment', event: 'appointment_insertion' } as const;
await client.post('/webhook_endpoints/{id}/webhook_subscriptions', { id: endpoint.id, ...insertion });

const start_date = new Date(Date.now() + 86_400_000).toISOString().slice(0, 10);
const window = { start_date, days: 14, lids: [demo.location_id], pids: [demo.provider_ids[0]] };
const { data: groups } = await client.get('/available_slots', window);
const slot = groups.flatMap((group) => group.slots)[0];
if (!slot) throw new Error('Nothing is free in the next two weeks.');

const provider = { provider_id: demo.provider_ids[0] };
const bio = { date_of_birth: '1990-02-03', phone_number: '2125550177' };
const patient = { first_name: 'Flora', last_name: 'Field', email: 'flora@example.com', bio };
const known = await client.post('/patients', { ...place, provider, patient, return_existing_if_match: true });

const { time: start_time, end_time, operatory_id } = slot;
const appt = { patient_id: known.data.user.id, ...provider, start_time, end_time, operatory_id };
const booked = await client.post('/appointments', { ...place, appt }, { idempotencyKey: crypto.randomUUID() });
const { id } = booked.data.appt;
console.log(`Asked for ${start_time}.`);

while (!heard.has(id)) await new Promise((resolve) => setTimeout(resolve, 50));
const { event_name, data } = heard.get(id) as Insertion;
console.log(`${event_name}: ${data.message ?? `it has the number ${data.appointment.foreign_id} in the practice`}`);

await client.delete('/webhook_endpoints/{id}', { id: endpoint.id });
receiver.close().closeAllConnections();
