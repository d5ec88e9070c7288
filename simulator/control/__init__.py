"""The control API: JSON, for development and tests, under /control."""

from aiohttp import web

from simulator.control import accounts, business, faults, log, openai, phones

__all__ = ["control_routes"]


def control_routes() -> list[web.RouteDef]:
    return [
        web.post("/control/reset", accounts.reset),
        web.get("/control/accounts", accounts.list_accounts),
        web.put("/control/accounts/{sid}", accounts.put_account),
        web.delete("/control/accounts/{sid}", accounts.delete_account),
        web.get("/control/senders", accounts.list_senders),
        web.put("/control/senders/{number}", accounts.put_sender),
        web.put("/control/contents/{sid}", accounts.put_content),
        web.get("/control/outcomes", log.list_outcomes),
        web.get("/control/faults", faults.get_faults),
        web.put("/control/faults", faults.put_faults),
        web.post("/control/faults/{kind:create|callback|list|media}", faults.add_fault),
        web.delete("/control/faults", faults.clear_faults),
        web.put("/control/latency", faults.put_latency),
        web.get("/control/log", log.get_log),
        web.delete("/control/log", log.clear_log),
        web.get("/control/messages", log.list_messages),
        web.get("/control/counts", log.counts),
        web.get("/control/phones", phones.list_phones),
        web.post("/control/phones", phones.create_phone),
        web.patch("/control/phones/{key}", phones.change_phone),
        web.get("/control/phones/{key}/messages", phones.list_chat),
        web.post("/control/phones/{key}/messages", phones.write_message),
        web.post("/control/phones/{key}/read", phones.read_chat),
        web.post("/control/phones/{key}/window", phones.change_window),
        web.get("/control/openai", openai.get_state),
        web.delete("/control/openai", openai.reset),
        web.put("/control/openai/today", openai.put_today),
        web.put("/control/openai/keys/{key}", openai.put_key),
        web.delete("/control/openai/keys/{key}", openai.delete_key),
        web.get("/control/openai/keys/{key}/bill", openai.get_bill),
        web.put("/control/openai/rules", openai.put_rules),
        web.post("/control/openai/rules", openai.add_rule),
        web.delete("/control/openai/rules", openai.clear_rules),
        web.get("/control/openai/log", openai.get_log),
        web.delete("/control/openai/log", openai.clear_log),
        web.get("/control/business/accounts", business.list_accounts),
        web.get("/control/business/accounts/{key}", business.get_account),
        web.put("/control/business/accounts/{key}", business.put_account),
        web.delete("/control/business/accounts/{key}", business.delete_account),
        web.put("/control/business/accounts/{key}/faults", business.put_faults),
        web.delete("/control/business/accounts/{key}/faults", business.clear_faults),
        web.get("/control/business/log", business.get_log),
        web.delete("/control/business/log", business.clear_log),
    ]
