from app.errors import Conflict, Forbidden


class UsernameTaken(Conflict):
    code = "username_taken"
    message = (
        "This username is taken. Usernames are shared by the whole installation: choose another "
        "one, such as an e-mail address."
    )


class LastOwner(Conflict):
    code = "last_owner"
    message = "This is the last active owner. Give somebody else that role first."


class RoleAboveOwn(Forbidden):
    code = "role_above_own"
    message = "This role is above your own. Ask somebody who holds it."


class PlatformTenant(Conflict):
    code = "platform_tenant"
    message = "The platform's own tenant cannot be closed."
