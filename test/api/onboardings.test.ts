import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { MAX_IN_PROGRESS, subdomainFor } from '../../src/api/onboardings/creating.ts';
import { forAll } from '../../src/store/database.ts';
import { type Api, startApi } from '../harness/api.ts';
import { createKey } from '../harness/practice.ts';
import { until } from '../harness/program.ts';
import { makeOnboarding, type Onboarding } from './onboarding.ts';

const FOUR_MONTHS_MS = 122 * 86_400_000;

let laterMs = 0;
let api: Api;
before(async () => {
  api = await startApi({ clock: { nowMs: () => Date.now() + laterMs } });
});
after(() => api.close());

test('makes an institution with a subdomain of its own, and a link for three months', async () => {
  const one = await makeOnboarding(api, { institution_name: 'Zoë’s Smile Studio', emr_name: 'opendental' });
  assert.deepEqual(Object.keys(one), [
    ...['id', 'created_at', 'subdomain', 'url', 'url_expires_at', 'status', 'booking_params'],
    'availability_ready_at',
  ]);
  assert.equal(one.subdomain, 'zoes-smile-studio');
  assert.equal(one.url, `https://openchair.example/connect/${one.id}`);
  assert.ok(Buffer.from(one.id, 'base64url').length * 8 >= 128, 'nobody guesses it');
  assert.deepEqual(
    { ...one, ...{ id: '', url: '', created_at: '', url_expires_at: '' } },
    {
      ...{
        id: '',
        created_at: '',
        subdomain: 'zoes-smile-studio',
        url: '',
        url_expires_at: '',
        status: 'in_progress',
      },
      ...{ booking_params: null, availability_ready_at: null },
    },
  );
  const days = (Date.parse(one.url_expires_at) - Date.parse(one.created_at)) / 86_400_000;
  assert.ok(days >= 89 && days <= 92, `${days} days`);
  const two = await makeOnboarding(api, { institution_name: 'Zoë’s Smile Studio' });
  assert.equal(two.subdomain, 'zoes-smile-studio-2');

  assert.deepEqual((await api.get(`/onboardings/${one.id}`)).body.data, one);
  await until('the key reaches the new institution', async () => {
    const answer = await api.get('/institutions');
    return answer.body.data.some((institution: { subdomain: string }) => institution.subdomain === two.subdomain);
  });
  const listed = await api.get(`/onboardings?subdomain=${two.subdomain}`, { version: 'v3.0.0' });
  assert.deepEqual(listed.body.data, [two]);
});

test('takes an institution that there is, which wins over a name', async () => {
  const made = await makeOnboarding(api, { subdomain: 'oak', institution_name: 'Ignored', emr_name: 'fhir' });
  assert.equal(made.subdomain, 'oak');
});

test('says what is missing or wrong', async () => {
  const refused = async (onboarding: unknown) => {
    const answer = await api.post('/onboardings', { body: { onboarding } });
    return [answer.status, answer.body.error[0]];
  };
  assert.deepEqual(await refused(undefined), [400, 'Missing parameter onboarding']);
  assert.deepEqual(await refused({}), [400, 'Missing parameter onboarding[institution_name]']);
  assert.deepEqual(await refused({ subdomain: 'nobodys' }), [404, 'Resource not found']);
  const [status, message] = await refused({ institution_name: 'x', emr_name: 'paper' });
  assert.equal(status, 400);
  assert.match(
    String(message),
    /^Invalid parameter onboarding\[emr_name\]: must be one of sandbox, fhir, hl7v2, caldav, athena/,
  );
  assert.equal((await refused({ institution_name: 'x'.repeat(201) }))[0], 400);
});

test('lists newest first, sorted and filtered as asked, by page and by cursor', async () => {
  const { key } = await createKey(api.db, []);
  for (const institution_name of ['Cedar', 'Alder', 'Beech']) await makeOnboarding(api, { institution_name }, key);
  const names = (answer: { body: { data: Onboarding[] } }) => answer.body.data.map(({ subdomain }) => subdomain);
  const list = (query: string) => api.get(`/onboardings?${query}`, { key, version: 'v3.0.0' });
  assert.deepEqual(names(await list('')), ['beech', 'alder', 'cedar']);
  assert.deepEqual(names(await list('sort=created_at')), ['cedar', 'alder', 'beech']);
  assert.deepEqual(names(await list('status=complete')), []);
  const first = await list('sort=status,subdomain&per_page=2');
  assert.deepEqual(names(first), ['alder', 'beech']);
  const rest = await list(`sort=status,subdomain&per_page=2&end_cursor=${first.body.page_info.end_cursor}`);
  assert.deepEqual([names(rest), rest.body.page_info.has_next_page], [['cedar'], false]);
  const paged = await api.get('/onboardings?sort=-subdomain&page=2&per_page=2', { key });
  assert.deepEqual([names(paged), paged.body.count], [['alder'], 3]);
  for (const wrong of ['sort=name', 'status=open', 'end_cursor=x']) {
    assert.equal((await list(wrong)).status, 400, wrong);
  }
  const nul = Buffer.from(JSON.stringify(['end', 'onboarding.subdomain,onboarding.id', ['a\0', 1]]));
  assert.equal((await list(`sort=subdomain&end_cursor=${nul.toString('base64url')}`)).status, 400);
});

test('shows nobody another user’s, even of the same institution', async () => {
  const made = await makeOnboarding(api, { subdomain: 'oak' });
  const colleague = await createKey(api.db, [api.institution.id]);
  assert.equal((await api.get(`/onboardings/${made.id}`, { key: colleague.key })).status, 404);
  assert.deepEqual((await api.get('/onboardings', { key: colleague.key })).body.data, []);
  // Nor to one who has lost the institution.
  const { apiUserId, key } = await createKey(api.db, [api.institution.id]);
  const theirs = await makeOnboarding(api, { subdomain: 'oak' }, key);
  assert.equal((await api.get(`/onboardings/${theirs.id}`, { key })).status, 200);
  await forAll(api.db, (tx) => tx.deleteFrom('api_user_institution').where('api_user_id', '=', apiUserId).execute());
  assert.equal((await api.get(`/onboardings/${theirs.id}`, { key })).status, 404);
});

test(`has at most ${MAX_IN_PROGRESS} in progress for one user, even when asked for many at once`, async () => {
  const { key, apiUserId } = await createKey(api.db, [api.institution.id]);
  await forAll(api.db, (tx) =>
    tx
      .insertInto('onboarding')
      .values(
        Array.from({ length: MAX_IN_PROGRESS - 1 }, (_, at) => ({
          ...{ hashid: `${apiUserId}-${at}`, api_user_id: apiUserId, institution_id: api.institution.id },
          ...{ url: 'https://e.com', url_expires_at: '2100-01-01T00:00:00.000Z' },
        })),
      )
      .execute(),
  );
  const ask = async () => (await api.post('/onboardings', { key, body: { onboarding: { subdomain: 'oak' } } })).status;
  assert.deepEqual((await Promise.all([ask(), ask(), ask()])).sort(), [201, 400, 400]);
});

test('one that nobody used in time has failed', async () => {
  const { key } = await createKey(api.db, []);
  const made = await makeOnboarding(api, { institution_name: 'Too Late' }, key);
  laterMs = FOUR_MONTHS_MS;
  try {
    assert.equal((await api.get(`/onboardings/${made.id}`, { key })).body.data.status, 'failed');
    assert.equal((await api.get('/onboardings?status=failed', { key })).body.count, 1);
    assert.equal((await api.get('/onboardings?status=in_progress', { key })).body.count, 0);
  } finally {
    laterMs = 0;
  }
});

test('derives subdomains that the database takes', () => {
  for (const [name, subdomain] of [
    ['Zoë’s Dental, P.C.', 'zoes-dental-p-c'],
    ['--__', 'practice'],
    ['東京歯科', 'practice'],
    ['A'.repeat(200), 'a'.repeat(50)],
    [`${'a'.repeat(49)} b`, 'a'.repeat(49)],
  ]) {
    assert.equal(subdomainFor(name as string), subdomain);
  }
});
