/** The identity of an object: tenant, type and id. Two objects are the same if and only if all three are. */

import { isStorableText, utf8Length } from "./json.ts";

/** The identity of an object. The default tenant is the empty string. */
export interface Address {
  readonly tenant: string;
  readonly type: string;
  readonly id: string;
}

/** The longest id and tenant, in bytes of UTF-8. */
export const maxIdBytes = 256;

/** The longest type, in characters. */
export const maxTypeLength = 64;

/** What is wrong with an id, or null. Ids are any printable text of at most 256 bytes that is not blank. */
export function idProblem(id: unknown): string | null {
  if (typeof id !== "string") return `an id is a string, not ${id === null ? "null" : typeof id}`;
  if (isPlainText(id)) return null;
  if (id.trim() === "") return "an id may not be empty or blank";
  return textProblem(id, "an id");
}

/** What is wrong with a tenant, or null. The empty string is the default tenant. */
export function tenantProblem(tenant: unknown): string | null {
  if (typeof tenant !== "string") return `a tenant is a string, not ${tenant === null ? "null" : typeof tenant}`;
  if (tenant === "") return null;
  if (tenant.trim() === "") return "a tenant may not be blank";
  return textProblem(tenant, "a tenant");
}

/** What is wrong with a type, or null. */
export function typeProblem(type: unknown): string | null {
  if (typeof type !== "string" || type === "") return "a type is a string that is not empty";
  if (type.length > maxTypeLength) return `a type has at most ${maxTypeLength} characters`;
  return /^[A-Za-z0-9_.-]+$/.test(type) ? null : "a type consists of letters, digits, and _ . -";
}

/** Whether a text is short printable ASCII that does not begin with a blank: what nearly all ids are. */
function isPlainText(text: string): boolean {
  if (text.length === 0 || text.length > maxIdBytes || text.startsWith(" ")) return false;
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index);
    if (code < 0x20 || code > 0x7e) return false;
  }
  return true;
}

function textProblem(text: string, what: string): string | null {
  if (text.length > maxIdBytes || utf8Length(text) > maxIdBytes) return `${what} has at most ${maxIdBytes} bytes`;
  if (!isStorableText(text)) return `${what} must be well-formed Unicode`;
  // eslint-disable-next-line no-control-regex -- control characters are what is looked for
  return /[\u0000-\u001f\u007f]/.test(text) ? `${what} may not contain control characters` : null;
}

/** How an address is written in messages: `counter/user-1`, or `acme:counter/user-1` with a tenant. */
export function formatAddress(address: Address): string {
  const name = `${address.type}/${address.id}`;
  return address.tenant === "" ? name : `${address.tenant}:${name}`;
}
