package import AMQPCodec

extension AMQPConnection {
  /// The message of a delivery, which its driver settles; nil for what is none, which is rejected.
  package mutating func read(_ delivery: AMQPDelivery) -> AMQPMessage? {
    do throws(AMQPFault) {
      return try AMQPMessage(delivery.message.span)
    } catch {
      settle(delivery.id, .rejected(AMQPError(AMQPError.decodeError, "\(error)")))
      return nil
    }
  }
}
