// What the page knows. `open` holds the keys of the open phones, `panels` what shows them.

export const state = { phones: new Map(), senders: [], scripts: [], open: [], panels: new Map(), live: null };
