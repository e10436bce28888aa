import HubContract
import HubEngine
import MessageLog

extension RoutedMessage {
  /// Reads a record of the log for `destination`; nil if it does not go there, or is no event.
  init?(_ record: LogRecord, at destination: EventDestinations) {
    // Most records of a busy log are others', and are told by their first bytes.
    guard !EventView.destinations(of: record.payload).isDisjoint(with: destination),
      let event = try? EventView(record.payload)
    else { return nil }
    self.init(
      event,
      at: destination,
      partition: record.partition,
      sequence: record.sequence,
      enqueuedTime: Timestamp(milliseconds: Int64(clamping: record.enqueuedTime))
    )
  }
}
