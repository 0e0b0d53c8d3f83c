import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { type Body, type DemoProgram, startDemoProgram, until } from '../harness/program.ts';

let program: DemoProgram;
let expected: string;

before(async () => {
  program = await startDemoProgram();
  expected = await schedule();
});

after(() => program?.end());

/** Every appointment of both locations as the API shows it, without what each sync may touch. */
async function schedule(): Promise<string> {
  const { api, demo } = program;
  const range = `start=2020-01-01&end=2040-01-01&per_page=1000&sort=id`;
  const locations = (await api('GET', `/locations?subdomain=${demo.subdomain}`)).body.data[0].locations;
  const rows: Body[] = [];
  for (const { id } of locations) {
    rows.push(...(await api('GET', `/appointments?subdomain=${demo.subdomain}&location_id=${id}&${range}`)).body.data);
  }
  assert.ok(rows.length > 300);
  return JSON.stringify(
    rows.map(({ id, start_time, cancelled, deleted, patient_id }) => [id, start_time, cancelled, deleted, patient_id]),
  );
}

async function connection(): Promise<Body> {
  return (await program.admin('GET', '/admin/connections')).body.data[0];
}

/** Asks for a pass from the beginning and waits until one has been tried. */
async function readAll(): Promise<void> {
  const { id } = await connection();
  const runs = async () => (await program.admin('GET', `/admin/connections/${id}/runs`)).body.data as Body[];
  const last = (await runs())[0]?.id ?? 0;
  await program.admin('POST', `/admin/connections/${id}/sync`, { full: true });
  await until(
    'a pass',
    async () => (await runs()).some((run) => run.id > last && run.finished_at && run.kind === 'full'),
    20_000,
  );
}

const FAULTS = [
  { fault: 'nonsense', match: 'changes' },
  { fault: 'html', match: 'changes' },
  { fault: 'truncate_body', match: 'changes' },
  { fault: 'truncate_pages', match: 'changes' },
  { fault: 'repeat_pages', match: 'changes' },
  { fault: 'reorder_pages', match: 'changes' },
  { fault: 'empty_lists', match: 'read' },
  { fault: 'error', match: 'read' },
  { fault: 'unauthorized', match: 'read' },
];

for (const fault of FAULTS) {
  test(`${fault.fault}: two passes from the beginning delete nothing, and afterwards all is well`, async () => {
    await program.sandbox('POST', '/faults', fault);
    await readAll();
    await readAll();
    assert.equal(await schedule(), expected);
    await program.sandbox('DELETE', '/faults');
    await readAll();
    assert.equal((await connection()).read_status, 'green');
    assert.equal(await schedule(), expected);
  });
}

test('an HRS that is off shows as red, and its return is an event', async () => {
  const { api, demo, sandbox } = program;
  await sandbox('POST', '/faults', { fault: 'off', match: 'read' });
  await until(
    'red',
    async () => {
      const [status] = (await api('GET', `/sync_status?subdomain=${demo.subdomain}`)).body.data;
      return status.read_status === 'red';
    },
    20_000,
  );
  await sandbox('DELETE', '/faults');
  const recovered = await until(
    'the event',
    async () => {
      const events = (await api('GET', `/events?subdomain=${demo.subdomain}&per_page=1000`)).body.data as Body[];
      return events.findLast((event) => event.event_name === 'sync_status_read_change');
    },
    20_000,
  );
  assert.equal(recovered.data.syncstatus.read_status, 'green');
});
