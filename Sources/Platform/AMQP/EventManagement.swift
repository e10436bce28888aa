package import AMQPCodec

/// The management node of the event stream: properties of the hub and of its partitions
/// (contract §8.3).
package enum EventManagement {
  /// The node's address.
  package static let address = "$management"

  /// What a request wants to know.
  package enum Request: Equatable, Sendable {
    /// Name, time of creation and partitions of an event stream.
    case hub(entity: String, token: String?)
    /// First and last event of a partition.
    case partition(entity: String, partition: String, token: String?)

    /// Reads a request.
    ///
    /// - Throws: The answer to a request that can't be read.
    package init(_ request: NodeRequest) throws(RequestRefusal) {
      guard let operation = request.text("operation") else {
        throw RequestRefusal(400, "the application property operation is missing")
      }
      guard operation.uppercased() == "READ" else {
        throw RequestRefusal(501, "operations here: READ")
      }
      guard let entity = request.text("name"), !entity.isEmpty else {
        throw RequestRefusal(400, "the application property name is missing")
      }
      let token = request.text("security_token")
      switch request.text("type") {
      case "com.microsoft:eventhub": self = .hub(entity: entity, token: token)
      case "com.microsoft:partition":
        guard let partition = request.message.applicationProperties["partition"] else {
          throw RequestRefusal(400, "the application property partition is missing")
        }
        let text = partition.text ?? partition.integer.map { String($0) } ?? ""
        self = .partition(entity: entity, partition: text, token: token)
      default:
        throw RequestRefusal(400, "types here: com.microsoft:eventhub, com.microsoft:partition")
      }
    }

    /// The event stream that is asked about.
    package var entity: String {
      switch self {
      case .hub(let entity, _), .partition(let entity, _, _): entity
      }
    }

    /// The token that came with it, a secret.
    package var token: String? {
      switch self {
      case .hub(_, let token), .partition(_, _, let token): token
      }
    }
  }

  /// The state of one partition.
  package struct PartitionState: Equatable, Sendable {
    /// Number of the oldest kept event.
    package var firstSequence: Int64
    /// Number of the newest event, -1 if there never was one.
    package var lastSequence: Int64
    /// The newest event's offset, "-1" if there never was one.
    package var lastOffset: String
    /// When the newest event was enqueued, milliseconds since 1970.
    package var lastTime: Int64
    /// Whether no event is kept.
    package var isEmpty: Bool

    /// Creates a state.
    package init(
      firstSequence: Int64,
      lastSequence: Int64,
      lastOffset: String,
      lastTime: Int64,
      isEmpty: Bool
    ) {
      self.firstSequence = firstSequence
      self.lastSequence = lastSequence
      self.lastOffset = lastOffset
      self.lastTime = lastTime
      self.isEmpty = isEmpty
    }
  }

  /// The answer about an event stream.
  package static func answer(
    entity: String,
    createdAt: Int64,
    partitionCount: Int
  ) -> AMQPMessage {
    NodeAnswer.make(
      200,
      "OK",
      body: .map(
        AMQPMap(strings: [
          ("name", .string(entity)), ("type", .string("com.microsoft:eventhub")),
          ("created_at", .timestamp(createdAt)),
          ("partition_count", .int(Int32(clamping: partitionCount))),
          ("partition_ids", .array((0..<partitionCount).map { .string(String($0)) })),
          ("georeplication_factor", .int(1)),
        ])
      )
    )
  }

  /// The answer about a partition.
  package static func answer(
    entity: String,
    partition: String,
    _ state: PartitionState
  ) -> AMQPMessage {
    NodeAnswer.make(
      200,
      "OK",
      body: .map(
        AMQPMap(strings: [
          ("name", .string(entity)), ("type", .string("com.microsoft:partition")),
          ("partition", .string(partition)),
          ("begin_sequence_number", .long(state.firstSequence)),
          ("last_enqueued_sequence_number", .long(state.lastSequence)),
          ("last_enqueued_offset", .string(state.lastOffset)),
          ("last_enqueued_time_utc", .timestamp(state.lastTime)),
          ("is_partition_empty", .boolean(state.isEmpty)),
        ])
      )
    )
  }
}
