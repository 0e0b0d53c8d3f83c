import assert from 'node:assert/strict';
import { test } from 'node:test';
import { canonicalAddress } from '../../src/connectors/address.ts';
import { KINDS } from '../../src/connectors/registry.ts';

test('one address has one form', () => {
  const spellings = [
    'https://ehr.example.org/fhir/R4',
    'HTTPS://EHR.Example.ORG/fhir/R4',
    'https://ehr.example.org:443/fhir/R4',
    'https://ehr.example.org./fhir/R4//',
    'https://ehr.example.org/fhir/./x/../R4/',
    'https://ehr.example.org/%66hir/%52%34',
  ];
  assert.deepEqual(new Set(spellings.map(canonicalAddress)), new Set(['https://ehr.example.org/fhir/R4']));
  assert.equal(canonicalAddress('http://127.1:4010/'), 'http://127.0.0.1:4010');
  assert.equal(canonicalAddress('http://localhost:4010'), 'http://127.0.0.1:4010');
  assert.equal(canonicalAddress('http://a.org/b%2fc%c3%a4'), 'http://a.org/b%2Fc%C3%A4');
  assert.equal(canonicalAddress('http://[0:0::1]:80'), 'http://[::1]');
});

test('other addresses have others', () => {
  const addresses = [
    'https://ehr.example.org/fhir/R4',
    'https://ehr.example.org/fhir/r4',
    'https://ehr.example.org/fhir',
    'https://ehr.example.org:8443/fhir/R4',
    'http://ehr.example.org/fhir/R4',
    'https://ehr2.example.org/fhir/R4',
  ];
  assert.equal(new Set(addresses.map(canonicalAddress)).size, addresses.length);
});

test('what identifies an HRS is neither its credentials nor how long one waits for it', () => {
  const identityOf = (name: string, config: object) => {
    const kind = KINDS.get(name);
    assert.ok(kind);
    return kind.identityOf(kind.configSchema.parse(config));
  };
  const sandbox = { baseUrl: 'http://127.0.0.1:4010', apiKey: 'one' };
  assert.equal(
    identityOf('sandbox', sandbox),
    identityOf('sandbox', { baseUrl: 'http://127.0.0.1:4010/', apiKey: 'two', requestTimeoutMs: 100 }),
  );
  const fhir = { baseUrl: 'https://e.org/r4', auth: { type: 'none' }, timeZone: 'UTC' };
  assert.equal(
    identityOf('fhir', fhir),
    identityOf('fhir', { ...fhir, baseUrl: 'https://E.org/r4/', auth: { type: 'bearer', token: 'secret' } }),
  );
  assert.notEqual(identityOf('fhir', { ...fhir, locationId: 'a' }), identityOf('fhir', { ...fhir, locationId: 'b' }));
});
