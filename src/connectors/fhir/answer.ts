/** What a FHIR server answers to a read, checked to be what was asked for. */
import { HrsNonsense, Unavailable } from '../connector.ts';
import type { HrsResponse } from '../http.ts';
import { type Json, object, objects, text } from './fields.ts';

export interface Resource extends Json {
  resourceType: string;
  id: string;
}

/** A 400: the server does not understand what was asked. */
export class NotUnderstood extends HrsNonsense {
  override name = 'NotUnderstood';
}

/** Throws `Unavailable` for a 403, which somebody can mend, and `HrsNonsense` for every other refusal. */
export function throwUnlessRead(response: HrsResponse, doing: string): void {
  if (response.status === 403) throw new Unavailable(`the HRS does not allow ${doing} (403)`);
  if (response.status === 400) throw new NotUnderstood(`${doing}: ${refusalText(response)}`);
  if (response.status >= 300) throw new HrsNonsense(`${doing}: ${refusalText(response)}`);
}

/** The resource, if it is one of that type with an id. */
export function getResource(json: unknown, type: string): Resource {
  const { resourceType, id } = object(json);
  if (resourceType !== type) throw new HrsNonsense(`wanted a ${type}, got something else`);
  if (typeof id !== 'string' || !/^[A-Za-z0-9.-]{1,64}$/.test(id)) throw new HrsNonsense(`a ${type} has no valid id`);
  return json as Resource;
}

/** Status and issue codes only: `diagnostics` and `details` tend to quote the patient. */
export function refusalText({ status, json }: HrsResponse): string {
  const issues = objects(object(json).issue).map((issue) =>
    `${text(issue.severity) ?? '?'}/${text(issue.code) ?? '?'}`.slice(0, 60),
  );
  return [`HTTP ${status}`, ...issues].join(', ').slice(0, 500);
}
