package import AMQPCodec

extension AMQPConnection {
  /// The message of a delivery, which is accepted; nil for what is none, which is rejected.
  package mutating func take(_ delivery: AMQPDelivery) -> AMQPMessage? {
    do throws(AMQPFault) {
      let message = try AMQPMessage(delivery.message.span)
      if let id = delivery.id { settle(id, .accepted) }
      return message
    } catch {
      if let id = delivery.id {
        settle(id, .rejected(AMQPError(AMQPError.decodeError, "\(error)")))
      }
      return nil
    }
  }
}
