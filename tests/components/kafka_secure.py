"""A Kafka broker that is spoken to in TLS: by certificates, or by a password (SCRAM), under rules.

    with SecureBroker(directory, authority) as broker:
        broker.user("notary", password="…")      # log in at broker.sasl_ssl; or with a certificate at broker.ssl
        broker.allow("notary", "TOPIC", "affiant-entries", ["READ", "DESCRIBE"])

Who has a certificate of the authority is the user of its common name. Whoever comes to `bootstrap` (in the clear) is
the operator, who may do anything. Everybody else may do what a rule says.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from tests.components.certificates import Authority, Pem
from tests.components.kafka import KafkaBroker
from tests.components.ports import HOST, free_port

SCRAM = "SCRAM-SHA-512"


class SecureBroker(KafkaBroker):
    """One broker with three listeners: CLIENTS in the clear, CERTIFIED (SSL) and NAMED (SASL_SSL)."""

    def __init__(self, directory: Path, authority: Authority) -> None:
        """Nothing runs yet. The broker's own certificate is made here."""
        plain, certified, named, controller = (free_port() for _ in range(4))
        self.ssl = f"{HOST}:{certified}"
        self.sasl_ssl = f"{HOST}:{named}"
        directory.mkdir(parents=True, exist_ok=True)
        store = directory / "broker.pem"
        own: Pem = authority.issue("broker")
        store.touch(0o600)
        store.write_bytes(own.key.read_bytes() + own.certificate.read_bytes())
        listeners = f"CLIENTS://{HOST}:{plain},CERTIFIED://{self.ssl},NAMED://{self.sasl_ssl}"
        super().__init__(
            directory,
            port=plain,
            controller_port=controller,
            settings={
                "listeners": f"{listeners},CONTROLLER://{HOST}:{controller}",
                "advertised.listeners": listeners,
                "listener.security.protocol.map": (
                    "CLIENTS:PLAINTEXT,CERTIFIED:SSL,NAMED:SASL_SSL,CONTROLLER:PLAINTEXT"
                ),
                "ssl.keystore.type": "PEM",
                "ssl.keystore.location": str(store),
                "ssl.truststore.type": "PEM",
                "ssl.truststore.location": str(authority.certificate),
                "listener.name.certified.ssl.client.auth": "required",
                "listener.name.named.ssl.client.auth": "none",
                "ssl.principal.mapping.rules": "RULE:^CN=([^,]+)$/$1/,DEFAULT",
                "sasl.enabled.mechanisms": SCRAM,
                "listener.name.named.scram-sha-512.sasl.jaas.config": (
                    "org.apache.kafka.common.security.scram.ScramLoginModule required;"
                ),
                "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
                "super.users": "User:ANONYMOUS",
            },
        )

    def user(self, name: str, *, password: str) -> None:
        """Make a user who logs in with SCRAM-SHA-512."""
        from kafka.admin import KafkaAdminClient, ScramMechanism, UserScramCredentialUpsertion

        admin = KafkaAdminClient(bootstrap_servers=self.bootstrap)
        try:
            made = UserScramCredentialUpsertion(name, ScramMechanism.SCRAM_SHA_512, password=password)
            failed = {each: why for each, why in admin.alter_user_scram_credentials([made]).items() if why}
            assert not failed, failed
        finally:
            admin.close()

    def allow(self, user: str, kind: str, name: str, operations: Iterable[str]) -> None:
        """Let a user do something with a TOPIC or a GROUP."""
        from kafka.admin import (
            ACL,
            ACLOperation,
            ACLPermissionType,
            KafkaAdminClient,
            ResourcePattern,
            ResourceType,
        )

        place = ResourcePattern(ResourceType[kind], name)
        rules = [
            ACL(f"User:{user}", "*", ACLOperation[each], ACLPermissionType.ALLOW, place)
            for each in operations
        ]
        admin = KafkaAdminClient(bootstrap_servers=self.bootstrap)
        try:
            assert not admin.create_acls(rules)["failed"]
        finally:
            admin.close()
