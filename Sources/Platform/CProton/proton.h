// The engine of Qpid Proton alone: bytes in, bytes out. Nothing of its sockets or its own SASL.
#include <proton/codec.h>
#include <proton/condition.h>
#include <proton/connection.h>
#include <proton/delivery.h>
#include <proton/disposition.h>
#include <proton/event.h>
#include <proton/link.h>
#include <proton/logger.h>
#include <proton/session.h>
#include <proton/terminus.h>
#include <proton/transport.h>
