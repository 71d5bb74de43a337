"""What `setup_redis_config` says, and locks."""

from .config import (
    DEFAULT_KEY_PREFIX,
    DEFAULT_LOCK_TIMEOUT,
    RedisConfig,
    get_redis_config,
    reset_redis_config,
    setup_redis_config,
)
from .lock import RedisLockManager

__all__ = [
    "DEFAULT_KEY_PREFIX",
    "DEFAULT_LOCK_TIMEOUT",
    "RedisConfig",
    "RedisLockManager",
    "get_redis_config",
    "reset_redis_config",
    "setup_redis_config",
]
