import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, beforeEach, suite, test } from 'node:test';
import { forAll } from '../../src/store/database.ts';
import { createScriptedHrs, type ScriptedHrs, work } from '../commands/scripted-hrs.ts';
import { ALL_CAPABILITIES, type Api, startApi } from '../harness/api.ts';
import { watchContents } from '../harness/contents.ts';
import { createPractice } from '../harness/practice.ts';
import { insertRow } from './schedule.ts';

const NOW_MS = Date.parse('2026-03-02T12:00:00.000Z');
const NOW = '2026-03-02T12:00:00.000Z';
const HOUR_MS = 3_600_000;
type Write = Record<string, string>;

suite('patient alerts', () => {
  let api: Api;
  let hrs: ScriptedHrs;
  let capabilities = ALL_CAPABILITIES;
  const clock = { ms: NOW_MS, nowMs: () => clock.ms };

  before(async () => {
    api = await startApi({ clock, services: { capabilitiesOf: () => capabilities } });
  });
  beforeEach(() => {
    clock.ms = NOW_MS;
    hrs = createScriptedHrs();
  });
  after(() => api.close());

  const pathOf = (alertId: number | string = '', patientId = api.practice.patients.pia) =>
    `/patients/${patientId}/alerts${alertId === '' ? '' : `/${alertId}`}`;
  const ask = (method: string, path: string, patient_alert?: object, headers: Record<string, string> = {}) =>
    api.request(method, `${path}?subdomain=oak`, { ...(patient_alert && { body: { patient_alert } }), headers });
  const made = async (note = 'Comes late') => {
    const { status, body, text } = await ask('POST', pathOf(), { note });
    assert.equal(status, 201, text);
    return body.data;
  };
  /** In the HRS. */
  const standing = async () => {
    const alert = await made();
    await work(api, hrs, clock);
    hrs.sent.length = 0;
    return alert;
  };
  const listed = async (query = '') =>
    (await api.get(`${pathOf()}?subdomain=oak${query}`)).body.data.map(({ id }: { id: number }) => id);
  const writesOf = async (id: number) =>
    (await ask('GET', `${pathOf(id)}/writes`)).body.data.map((write: Write) =>
      [write.kind, write.state, write.reason_code ?? ''].join(' ').trim(),
    );
  const refusal = async (...[method, path, body]: Parameters<typeof ask>) => {
    const contents = await watchContents(api.db);
    const answer = await ask(method, path, body);
    assert.equal(await contents.hasChanged(), false);
    return [answer.status, answer.headers.get('openchair-error-code'), ...answer.body.error];
  };

  test('are made at once, and written once', async () => {
    const alert = await made('Allergic to latex');
    assert.deepEqual(alert, {
      id: alert.id,
      patient_id: api.practice.patients.pia,
      note: 'Allergic to latex',
      disabled_at: null,
      created_at: NOW,
      updated_at: NOW,
    });
    assert.deepEqual((await ask('GET', pathOf(alert.id))).body.data, alert);
    assert.deepEqual(await writesOf(alert.id), ['create_alert queued']);
    hrs.script.push('lose');
    await work(api, hrs, clock);
    assert.deepEqual(await writesOf(alert.id), ['create_alert complete']);
    assert.equal(hrs.alerts.size, 1);
    assert.equal(hrs.sent.length, 1);
    const [record] = hrs.alerts.values();
    assert.deepEqual([record?.patientForeignId, record?.note], ['A1', 'Allergic to latex']);
  });

  test('of which nothing arrived are written again', async () => {
    for (const reply of ['drop', 'lie', 'off'] as const) {
      hrs = createScriptedHrs();
      const { id } = await made();
      hrs.script.push(reply);
      await work(api, hrs, clock);
      assert.deepEqual(
        [await writesOf(id), hrs.sent.length, hrs.alerts.size],
        [['create_alert complete'], 2, 1],
        reply,
      );
    }
  });

  test('that the HRS refuses are gone, and their writes say why', async () => {
    const { id } = await made();
    hrs.script.push('refuse');
    await work(api, hrs, clock);
    assert.equal((await ask('GET', pathOf(id))).status, 404);
    assert.ok(!(await listed('&include_disabled=true')).includes(id));
    assert.deepEqual(await writesOf(id), ['create_alert failed refused_by_hrs']);
  });

  test('are tried for two days', async () => {
    const { id } = await made();
    hrs.script.push(...Array<'off'>(60).fill('off'));
    await work(api, hrs, clock, { rounds: 60, minutes: 60 });
    assert.deepEqual(await writesOf(id), ['create_alert timed_out hrs_unreachable']);
    assert.equal(hrs.sent.length, 48);
    assert.equal((await ask('GET', pathOf(id))).status, 404);
  });

  test('in doubt stay', async () => {
    const { id } = await made();
    hrs.script.push('drop');
    hrs.canBeRead = false;
    await work(api, hrs, clock, { rounds: 60, minutes: 60 });
    assert.deepEqual(await writesOf(id), ['create_alert incomplete outcome_unknown']);
    assert.equal((await ask('GET', pathOf(id))).status, 200);
  });

  test('are disabled and enabled, each once', async () => {
    const { id } = await standing();
    clock.ms = NOW_MS + HOUR_MS;
    const disabled = (await ask('PATCH', pathOf(id), { disabled: true })).body.data;
    assert.equal(disabled.disabled_at, '2026-03-02T13:00:00.000Z');
    assert.equal((await ask('PATCH', pathOf(id), { disabled: 'True' })).status, 200);
    assert.ok(!(await listed()).includes(id));
    assert.ok((await listed('&include_disabled=True')).includes(id));
    await work(api, hrs, clock);
    const shown = (await ask('GET', pathOf(id))).body.data;
    assert.equal(shown.disabled_at, '2026-03-02T12:00:30.000Z', 'since when the HRS says');
    assert.equal((await ask('PATCH', pathOf(id), { disabled: false })).body.data.disabled_at, null);
    assert.equal((await ask('PATCH', pathOf(id), { disabled: true })).status, 200);
    await work(api, hrs, clock);
    assert.deepEqual(await writesOf(id), [
      'create_alert complete',
      'change_alert complete',
      'change_alert complete',
      'change_alert complete',
    ]);
    assert.deepEqual(
      hrs.sent.map((write) => write.kind === 'change_alert' && write.disabled),
      [true, false, true],
    );
  });

  test('whose change fails go back to what they were', async () => {
    const { id } = await standing();
    await ask('PATCH', pathOf(id), { disabled: true });
    hrs.script.push('refuse');
    await work(api, hrs, clock);
    assert.equal((await ask('GET', pathOf(id))).body.data.disabled_at, null);

    await ask('PATCH', pathOf(id), { disabled: true });
    await ask('PATCH', pathOf(id), { disabled: false });
    hrs.script.push(...Array<'off'>(120).fill('off'));
    await work(api, hrs, clock, { rounds: 120, minutes: 60 });
    assert.deepEqual((await writesOf(id)).slice(2), [
      'change_alert timed_out hrs_unreachable',
      'change_alert timed_out hrs_unreachable',
    ]);
    assert.equal((await ask('GET', pathOf(id))).body.data.disabled_at, null);
  });

  test('take the place of what a sync took for a stranger’s', async () => {
    const { id } = await made();
    const { pia } = api.practice.patients;
    await forAll(api.db, (tx) =>
      tx
        .insertInto('patient_alert')
        .values({
          institution_id: api.institution.id,
          connection_id: api.practice.connection.id,
          patient_id: pia,
          note: 'Comes late',
          foreign_id: 'N1',
        })
        .onConflict((oc) => oc.columns(['connection_id', 'foreign_id']).doUpdateSet({ note: 'Comes late' }))
        .execute(),
    );
    await work(api, hrs, clock);
    assert.deepEqual(await writesOf(id), ['create_alert complete']);
    const rows = await forAll(api.db, (tx) =>
      tx.selectFrom('patient_alert').select('id').where('foreign_id', '=', 'N1').execute(),
    );
    assert.deepEqual(rows, [{ id }]);
  });

  test('need a patient that the HRS has, and an alert that it has', async () => {
    const fresh = await insertRow(api, 'patient', {
      connection_id: api.practice.connection.id,
      first_name: 'Noa',
      last_name: 'Nash',
    });
    assert.deepEqual(await refusal('POST', pathOf('', fresh), { note: 'x' }), [
      400,
      'not_synced',
      'Cannot update patient because it is not synced with the PMS and/or a live client',
    ]);
    const { id } = await made();
    assert.deepEqual(await refusal('PATCH', pathOf(id), { disabled: true }), [
      400,
      'not_synced',
      'Cannot update patient alert because it is not synced with the PMS and/or a live client',
    ]);
    await work(api, hrs, clock);
  });

  test('that the HRS cannot take are refused', async () => {
    const { id } = await standing();
    try {
      capabilities = { ...ALL_CAPABILITIES, createAlert: false, changeAlert: false };
      assert.deepEqual((await refusal('POST', pathOf(), { note: 'x' })).slice(0, 2), [400, 'not_supported_by_hrs']);
      assert.deepEqual((await refusal('PATCH', pathOf(id), { disabled: true })).slice(0, 2), [
        400,
        'not_supported_by_hrs',
      ]);
    } finally {
      capabilities = ALL_CAPABILITIES;
    }
  });

  test('need what they are made of', async () => {
    const { id } = await standing();
    const missing = (name: string) => [400, 'missing_parameter', `Missing parameter ${name}`];
    assert.deepEqual(await refusal('POST', pathOf(), {}), missing('patient_alert[note]'));
    assert.deepEqual(await refusal('PATCH', pathOf(id), {}), missing('patient_alert[disabled]'));
    assert.deepEqual((await api.post(`${pathOf()}?subdomain=oak`, { body: {} })).body.error, [
      'Missing parameter patient_alert',
    ]);
    for (const note of ['', '  ', 'n'.repeat(501), 7]) {
      assert.equal((await refusal('POST', pathOf(), { note }))[0], 400);
    }
    assert.equal((await refusal('PATCH', pathOf(id), { disabled: 'perhaps' }))[1], 'invalid_parameter');
  });

  test('of another patient or practice are not found', async () => {
    const { id } = await standing();
    const { quin } = api.practice.patients;
    const elm = await createPractice(api.db, `elm-${randomUUID()}`);
    for (const path of [
      pathOf(id, quin),
      pathOf(id, elm.patients.pia),
      pathOf(987_654_321),
      `${pathOf(id, quin)}/writes`,
    ]) {
      assert.deepEqual(await refusal('GET', path), [404, 'not_found', 'Resource not found']);
    }
    assert.deepEqual((await refusal('PATCH', pathOf(id, quin), { disabled: true }))[0], 404);
    assert.deepEqual((await refusal('POST', pathOf('', elm.patients.pia), { note: 'x' }))[0], 404);
    assert.deepEqual((await refusal('GET', pathOf('', elm.patients.pia)))[0], 404);
  });

  test('are made once for one Idempotency-Key', async () => {
    const headers = { 'idempotency-key': randomUUID() };
    const first = await ask('POST', pathOf(), { note: 'once' }, headers);
    const again = await ask('POST', pathOf(), { note: 'once' }, headers);
    assert.equal(first.body.data.id, again.body.data.id);
    await work(api, hrs, clock);
    assert.equal(hrs.alerts.size, 1);
  });
});
