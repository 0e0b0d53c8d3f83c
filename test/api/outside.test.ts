/** What NexHealth has and a scheduling server has not: absent under any method, whatever is sent. */
import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { type Api, startApi } from '../harness/api.ts';

const OUTSIDE = [
  '/adjustment_types',
  '/adjustment_types/1',
  '/adjustments',
  '/adjustments/1',
  '/charges',
  '/charges/1',
  '/claims',
  '/claims/1',
  '/clinical_notes',
  '/conversations',
  '/document_types',
  '/document_types/1',
  '/fee_schedule_procedures',
  '/fee_schedules',
  '/fee_schedules/1',
  '/form_requests',
  '/guarantor_balances',
  '/guarantor_balances/1',
  '/insurance_balances',
  '/insurance_balances/1',
  '/medical_history/patient_items',
  '/messages',
  '/patients/1/documents',
  '/payment_plans',
  '/payment_plans/1',
  '/payment_types',
  '/payment_types/1',
  '/payments',
  '/payments/1',
  '/procedure_codes',
  '/procedures',
  '/procedures/1',
  '/treatment_plans',
  '/treatment_plans/1',
  // Never there, and asked for all the same.
  '/documents',
  '/guarantors',
  '/patients/1/balance',
  '/recalls',
  '/webhooks',
];

/** Of resources that are here, what clients have tried and NexHealth does not offer either. */
const NEVER = [
  ['DELETE', '/appointments'],
  ['DELETE', '/appointments/1'],
  ['PUT', '/appointments/1'],
  ['PATCH', '/patients'],
  ['PATCH', '/patients/1'],
  ['DELETE', '/patients/1'],
  ['POST', '/providers'],
  ['POST', '/operatories'],
  ['POST', '/locations'],
  ['POST', '/sync_status'],
] as const;

suite('what is outside', () => {
  let api: Api;
  before(async () => {
    api = await startApi();
  });
  after(() => api.close());

  test('answers 404 to every method in both versions, also without a key', async () => {
    const asked: (readonly [string, string])[] = [...NEVER];
    for (const path of OUTSIDE)
      for (const method of ['GET', 'POST', 'PUT', 'PATCH', 'DELETE']) asked.push([method, path]);
    for (const [method, path] of asked) {
      for (const version of ['v2', 'v3.0.0'] as const) {
        const { status, body } = await api.request(method, `${path}?subdomain=oak&location_id=1`, {
          version,
          key: version === 'v2' ? undefined : null,
          ...(method !== 'GET' && { body: { payment: { amount: 1 } } }),
        } as never);
        assert.deepEqual([status, body.code, body.error], [404, false, ['Resource not found']], `${method} ${path}`);
        assert.equal('page_info' in body, version !== 'v2');
      }
    }
  });

  test('is absent before anybody looks at a body', async () => {
    const bodies: [string, string][] = [
      ['application/json', '{"broken'],
      ['text/csv', 'a,b'],
      ['multipart/form-data; boundary=x', '--x\r\ncontent-disposition: form-data; name="file"\r\n\r\nx\r\n--x--\r\n'],
      ['application/json', `{"note":"${'x'.repeat(1_100_000)}"}`],
    ];
    for (const [type, body] of bodies) {
      const answer = await api.post('/patients/1/documents?subdomain=oak', { body, headers: { 'content-type': type } });
      assert.deepEqual([answer.status, answer.body.error], [404, ['Resource not found']], type);
    }
  });
});
