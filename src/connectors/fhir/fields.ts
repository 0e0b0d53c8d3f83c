/** Reading single fields out of FHIR JSON that may have any shape at all. None of these throws. */
import { parseInstant } from '../../domain/zone.ts';

export type Json = Record<string, unknown>;

/** Longer texts are cut: nothing on a schedule needs more, and our columns have to hold it. */
const MAX_TEXT_LENGTH = 4_000;

export function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The object itself, or an empty one. */
export function object(value: unknown): Json {
  return isObject(value) ? value : {};
}

/** The objects in a list, without nulls and strays; no list is an empty one. */
export function objects(value: unknown): Json[] {
  return Array.isArray(value) ? value.filter(isObject) : [];
}

/** Trimmed text that PostgreSQL can store; `null` when there is none. */
export function text(value: unknown): string | null {
  if (typeof value !== 'string') return null;
  const clean = value.replaceAll('\0', '').toWellFormed().trim().slice(0, MAX_TEXT_LENGTH);
  return clean === '' ? null : clean;
}

export function texts(value: unknown): string[] {
  return Array.isArray(value) ? value.map(text).filter((item) => item !== null) : [];
}

/** The codes of a CodeableConcept. */
export function codes(concept: unknown): string[] {
  return texts(objects(object(concept).coding).map((coding) => coding.code));
}

/** What a person reads of a CodeableConcept. */
export function conceptText(concept: unknown): string | null {
  const { text: said, coding } = object(concept);
  return (
    text(said) ??
    objects(coding)
      .map((one) => text(one.display))
      .find((display) => display !== null) ??
    null
  );
}

/** Milliseconds of a FHIR `instant`, or of a `dateTime` precise enough to be one: with a time and an offset. */
export function instantMs(value: unknown): number | null {
  if (typeof value !== 'string' || !/T.*(Z|[+-]\d\d:\d\d)$/.test(value)) return null;
  const parsed = parseInstant(value, 'UTC');
  return parsed.ok ? parsed.instantMs : null;
}

/**
 * What a Reference points at on this server: relative, absolute below `baseUrl`, and version-specific forms.
 * `null` for contained (`#x`), `urn:`, foreign and display-only references: they name nothing we could know.
 */
export function referenceTarget(reference: unknown, baseUrl: string): { type: string; id: string } | null {
  const said = text(object(reference).reference);
  if (said === null) return null;
  const relative = said.startsWith(`${baseUrl}/`) ? said.slice(baseUrl.length + 1) : said;
  const parts = /^([A-Z][A-Za-z]{1,63})\/([A-Za-z0-9.-]{1,64})(\/_history\/[A-Za-z0-9.-]{1,64})?$/.exec(relative);
  return parts ? { type: parts[1] as string, id: parts[2] as string } : null;
}

/** The value of the first identifier of that system. */
export function identifierValue(resource: Json, system: string): string | null {
  return text(objects(resource.identifier).find((identifier) => identifier.system === system)?.value);
}
