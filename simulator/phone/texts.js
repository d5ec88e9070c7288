// What the page says, in English and Spanish.

const texts = {
  en: {
    title: "Phones", back: "Phones", language: "Español", live: "live", offline: "reconnecting…",
    addLabel: "Add a phone number", add: "Add", scripts: "Numbers with a script",
    scriptsHint: "Send to one of these from the business and its outcome follows. +155500 and a five-digit error code fails with that code.",
    pick: "Choose a phone on the left. Each phone is a person who talks to your business.",
    empty: "No messages yet. Write something, or send from the business.",
    write: "Message", send: "Send", attach: "Attach", close: "Close this phone",
    readsItself: "reads by itself", online: "online", window: "24-hour window",
    open: "open", closed: "closed", closeWindow: "Close window", openWindow: "Open window",
    photo: "Photo…", samplePhoto: "Sample photo", voice: "Voice note", document: "Document…",
    location: "Location", contact: "Contact", sticker: "Sticker",
    latitude: "Latitude", longitude: "Longitude", label: "Label", name: "Name", phone: "Phone",
    cancel: "Cancel", reply: "Reply", react: "React", replyingTo: "Replying to",
    template: "template", typing: "typing…",
    webhookAnswered: (status) => `The business's webhook answered ${status}`,
    webhookSilent: "The business's webhook could not be reached",
    failed: (code, text) => `Not delivered (${code}): ${text}`,
    waiting: "not on the phone yet", deleted: "Removed",
    status: { queued: "queued", accepted: "accepted", scheduled: "scheduled", sent: "sent",
      delivered: "delivered", read: "read", failed: "failed", undelivered: "undelivered",
      canceled: "canceled", written: "sent", taken: "taken by the webhook" },
    noNumber: "no phone number, user id only", noBusiness: "No business number is configured.",
    failedRequest: "The simulator did not accept that:", openList: "Options", reaction: "Reaction",
    today: "Today", yesterday: "Yesterday", audio: "Audio", unsupported: "Message",
  },
  es: {
    title: "Teléfonos", back: "Teléfonos", language: "English", live: "en vivo",
    offline: "reconectando…", addLabel: "Añadir un número", add: "Añadir",
    scripts: "Números con guion",
    scriptsHint: "Envía a uno de estos desde el negocio y verás su resultado. +155500 y un código de error de cinco cifras falla con ese código.",
    pick: "Elige un teléfono a la izquierda. Cada teléfono es una persona que habla con tu negocio.",
    empty: "Aún no hay mensajes. Escribe algo o envía desde el negocio.",
    write: "Mensaje", send: "Enviar", attach: "Adjuntar", close: "Cerrar este teléfono",
    readsItself: "lee solo", online: "en línea", window: "Ventana de 24 horas",
    open: "abierta", closed: "cerrada", closeWindow: "Cerrar ventana", openWindow: "Abrir ventana",
    photo: "Foto…", samplePhoto: "Foto de muestra", voice: "Nota de voz", document: "Documento…",
    location: "Ubicación", contact: "Contacto", sticker: "Sticker",
    latitude: "Latitud", longitude: "Longitud", label: "Nombre del lugar", name: "Nombre",
    phone: "Teléfono", cancel: "Cancelar", reply: "Responder", react: "Reaccionar",
    replyingTo: "Respondiendo a", template: "plantilla", typing: "escribiendo…",
    webhookAnswered: (status) => `El webhook del negocio respondió ${status}`,
    webhookSilent: "No se pudo contactar el webhook del negocio",
    failed: (code, text) => `No entregado (${code}): ${text}`,
    waiting: "aún no está en el teléfono", deleted: "Eliminado",
    status: { queued: "en cola", accepted: "aceptado", scheduled: "programado", sent: "enviado",
      delivered: "entregado", read: "leído", failed: "fallido", undelivered: "no entregado",
      canceled: "cancelado", written: "enviado", taken: "recibido por el webhook" },
    noNumber: "sin número, solo id de usuario", noBusiness: "No hay ningún número de negocio.",
    failedRequest: "El simulador no lo aceptó:", openList: "Opciones", reaction: "Reacción",
    today: "Hoy", yesterday: "Ayer", audio: "Audio", unsupported: "Mensaje",
  },
};

const stored = localStorage.getItem("language");
let language = stored || (navigator.language.toLowerCase().startsWith("es") ? "es" : "en");

export const currentLanguage = () => language;
export const t = (key, ...values) => {
  const found = texts[language][key];
  return typeof found === "function" ? found(...values) : found;
};
export function switchLanguage() {
  language = language === "es" ? "en" : "es";
  localStorage.setItem("language", language);
}
