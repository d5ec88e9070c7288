// What the page says, in English and Spanish.

export const texts = {
  en: {
    title: "Phones", back: "Phones", language: "Español", live: "live", offline: "reconnecting…",
    addLabel: "Add a phone number", add: "Add", scripts: "Numbers with a script",
    scriptsHint: "Send to one of these from the business and its outcome follows. +155500 and a five-digit error code fails with that code.",
    pick: "Choose a phone on the left. Each phone is a person who talks to your business.",
    empty: "No messages yet. Write something, or send from the business.",
    write: "Message", send: "Send", attach: "Attach", close: "Close this phone",
    readsItself: "reads by itself", online: "online", window: "24-hour window", simulator: "simulator",
    open: "open", closed: "closed", closeWindow: "Close window", openWindow: "Open window",
    photo: "Photo or video…", document: "Document…", location: "Location", contact: "Contact",
    samples: { image: "Sample photo", audio: "Sample voice note", video: "Sample video",
      document: "Sample document", sticker: "Sample sticker" },
    kinds: { text: "Message", image: "Photo", audio: "Voice note", video: "Video", document: "Document",
      sticker: "Sticker", location: "Location", contacts: "Contact", order: "Order", flow: "Form" },
    length: "Length", reacted: (emoji) => `You reacted ${emoji}`, unreacted: "You removed a reaction",
    unread: (count) => (count === 1 ? "1 unread message" : `${count} unread messages`), markRead: "Mark as read",
    names: {}, errors: {},
    latitude: "Latitude", longitude: "Longitude", label: "Label", name: "Name", phone: "Phone",
    cancel: "Cancel", reply: "Reply", react: "React", replyingTo: "Replying to",
    template: "template", typing: "typing…",
    webhookAnswered: (status) => `The business's webhook answered ${status}`,
    webhookSilent: "The business's webhook could not be reached",
    failed: (code, text) => `Not delivered (${code}): ${text}`,
    waiting: "not on the phone yet",
    status: { queued: "queued", accepted: "accepted", scheduled: "scheduled", sent: "sent",
      delivered: "delivered", read: "read", failed: "failed", undelivered: "undelivered",
      canceled: "canceled", written: "sent", taken: "taken by the webhook" },
    noNumber: "no phone number, user id only", noBusiness: "No business number is configured.",
    failedRequest: "The simulator did not accept that:", openList: "Options",
    unreachable: "it cannot be reached.", tooLarge: "the file is too large.",
    badNumber: "Give a number such as +15557654321, or a user id such as CO.13491208655302741918.",
    today: "Today", yesterday: "Yesterday",
  },
  es: {
    title: "Teléfonos", back: "Teléfonos", language: "English", live: "en vivo",
    offline: "reconectando…", addLabel: "Añadir un número", add: "Añadir",
    scripts: "Números con guion",
    scriptsHint: "Envía a uno de estos desde el negocio y verás su resultado. +155500 y un código de error de cinco cifras falla con ese código.",
    pick: "Elige un teléfono a la izquierda. Cada teléfono es una persona que habla con tu negocio.",
    empty: "Aún no hay mensajes. Escribe algo o envía desde el negocio.",
    write: "Mensaje", send: "Enviar", attach: "Adjuntar", close: "Cerrar este teléfono",
    readsItself: "lee solo", online: "en línea", window: "Ventana de 24 horas", simulator: "simulador",
    open: "abierta", closed: "cerrada", closeWindow: "Cerrar ventana", openWindow: "Abrir ventana",
    photo: "Foto o video…", document: "Documento…", location: "Ubicación", contact: "Contacto",
    samples: { image: "Foto de muestra", audio: "Nota de voz de muestra", video: "Video de muestra",
      document: "Documento de muestra", sticker: "Sticker de muestra" },
    kinds: { text: "Mensaje", image: "Foto", audio: "Nota de voz", video: "Video", document: "Documento",
      sticker: "Sticker", location: "Ubicación", contacts: "Contacto", order: "Pedido", flow: "Formulario" },
    length: "Duración", reacted: (emoji) => `Reaccionaste ${emoji}`, unreacted: "Quitaste una reacción",
    unread: (count) => (count === 1 ? "1 mensaje sin leer" : `${count} mensajes sin leer`), markRead: "Marcar como leído",
    names: { "Phone 1": "Teléfono 1", "Number + user id": "Número + id de usuario", "User id only": "Solo id de usuario" },
    errors: {
      30003: "El destino no está disponible.", 30005: "El destino es desconocido.", 30006: "El destino no recibe mensajes.",
      30008: "Error desconocido.", 30036: "El mensaje caducó antes de enviarse.",
      63003: "El canal no encontró la dirección de destino.", 63005: "El canal no aceptó el contenido.",
      63010: "Error interno de la plataforma.", 63013: "El mensaje infringe la política del proveedor del canal.",
      63015: "El sandbox solo puede escribir a teléfonos que se unieron a él.",
      63016: "Fuera de la ventana de 24 horas solo se puede enviar una plantilla.",
      63018: "Se superó el límite de velocidad del canal.", 63019: "No se pudo descargar el archivo.",
      63024: "El destinatario no es válido.", 63028: "El número de parámetros no coincide con el esperado.",
      63032: "El destinatario participa en un experimento y no puede recibir este mensaje.",
      63040: "La plantilla fue rechazada.", 63041: "La plantilla está en pausa.", 63042: "La plantilla está desactivada.",
      63049: "Meta decidió no entregar este mensaje de marketing.",
    },
    latitude: "Latitud", longitude: "Longitud", label: "Nombre del lugar", name: "Nombre",
    phone: "Teléfono", cancel: "Cancelar", reply: "Responder", react: "Reaccionar",
    replyingTo: "Respondiendo a", template: "plantilla", typing: "escribiendo…",
    webhookAnswered: (status) => `El webhook del negocio respondió ${status}`,
    webhookSilent: "No se pudo contactar el webhook del negocio",
    failed: (code, text) => `No entregado (${code}): ${text}`,
    waiting: "aún no está en el teléfono",
    status: { queued: "en cola", accepted: "aceptado", scheduled: "programado", sent: "enviado",
      delivered: "entregado", read: "leído", failed: "fallido", undelivered: "no entregado",
      canceled: "cancelado", written: "enviado", taken: "recibido por el webhook" },
    noNumber: "sin número, solo id de usuario", noBusiness: "No hay ningún número de negocio.",
    failedRequest: "El simulador no lo aceptó:", openList: "Opciones",
    unreachable: "no se puede contactar.", tooLarge: "el archivo es demasiado grande.",
    badNumber: "Indica un número como +15557654321 o un id de usuario como CO.13491208655302741918.",
    today: "Hoy", yesterday: "Ayer",
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
