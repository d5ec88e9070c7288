// Calls to the simulator's control API.

import { t } from "/phone/texts.js";

/** Return the answer. Throws an Error with a sentence for the person at the page. */
export async function call(method, path, body) {
  const sent = { method, headers: { "Content-Type": "application/json" }, body: body ? JSON.stringify(body) : undefined };
  const response = await fetch(path, sent).catch(() => { throw new Error(t("unreachable")); });
  if (response.status === 413) throw new Error(t("tooLarge"));
  const data = response.status === 204 ? {} : await response.json();
  if (!response.ok) throw new Error(data.error || `HTTP ${response.status}`);
  return data;
}

/** Return the path of a phone's resource. */
export const path = (phone, rest = "") => `/control/phones/${encodeURIComponent(phone.key)}${rest}`;
