import HTTPTypes
import HubContract
import HubEngine
import HummingbirdCore
import JSONTree

/// Scheduled jobs (contract "Jobs").
enum JobRoutes {
  static let routes: [RESTRoute] = [
    // Stands before the paths with an ID, so no job is reached under the ID query.
    RESTRoute(
      .get,
      "/jobs/v2/query",
      id: "queryJobs",
      tag: tag,
      "Lists jobs, a page at a time.",
      access: .policy(.serviceConnect),
      throttle: .queries,
      parameters: ["JobType", "JobStatus", "MaxItemCount", "ContinuationHeader"],
      successes: [
        RouteSuccess(
          status: 200,
          description: "A page of jobs in the order of their IDs.",
          schema: "JobResponse",
          isArray: true,
          headers: ["ItemType", "Continuation"]
        )
      ],
      handle: query
    ),
    RESTRoute(
      .get,
      "/jobs/v2/{jobId}",
      id: "getJob",
      tag: tag,
      "Reads a job; one that does not exist is shown with the status unknown.",
      access: .policy(.serviceConnect),
      throttle: .registry,
      successes: [RouteSuccess(status: 200, description: "The job.", schema: "JobResponse")],
      handle: get
    ),
    RESTRoute(
      .put,
      "/jobs/v2/{jobId}",
      id: "createJob",
      tag: tag,
      "Schedules a twin update or a direct method for all devices that a condition selects.",
      access: .policy(.serviceConnect),
      throttle: .registry,
      body: .json("JobRequest"),
      successes: [
        RouteSuccess(status: 200, description: "The job as it now is.", schema: "JobResponse")
      ],
      faults: [.jobAlreadyExists, .throttlingMaxActiveJobCountExceeded],
      handle: create
    ),
    RESTRoute(
      .post,
      "/jobs/v2/{jobId}/cancel",
      id: "cancelJob",
      tag: tag,
      "Ends a job; what it has done stays.",
      access: .policy(.serviceConnect),
      throttle: .registry,
      successes: [
        RouteSuccess(status: 200, description: "The job as it now is.", schema: "JobResponse")
      ],
      faults: [.jobNotFound, .operationNotAllowedInCurrentState],
      handle: cancel
    ),
    RESTRoute(
      .post,
      "/jobs/v2/{jobId}/plan",
      id: "planJob",
      tag: tag,
      "Tells which devices a job would reach now, and what it would do to them; changes nothing.",
      access: .policy(.serviceConnect),
      throttle: .queries,
      body: .json("JobRequest"),
      parameters: ["MaxItemCount", "ContinuationHeader"],
      successes: [
        RouteSuccess(
          status: 200,
          description: "A page of devices.",
          schema: "JobPlan",
          headers: ["Continuation"]
        )
      ],
      handle: plan
    ),
  ]

  private static let tag = "Jobs"

  private static func query(
    _ service: RESTService,
    _ request: RESTRequest
  ) async throws -> Response {
    func choice<Value: RawRepresentable<String> & CaseIterable>(
      _ name: String,
      _: Value.Type
    ) throws(HubError) -> Value? {
      guard let text = request.query(name), !text.isEmpty else { return nil }
      guard let value = Value(rawValue: text) else {
        let known = Value.allCases.map(\.rawValue).joined(separator: ", ")
        throw HubError(
          .argumentInvalid,
          "The query parameter \(name) must be one of \(known)."
        )
      }
      return value
    }
    let kind = try choice("jobType", JobTask.Kind.self)
    let status = try choice("jobStatus", JobStatus.self)
    let page = try request.page(service)
    let (jobs, next) = try await service.hub.store.read { view throws(HubError) in
      try view.jobs(
        kind: kind,
        status: status,
        pageSize: page.size,
        continuation: page.continuation
      )
    }
    return Response.json(.array(jobs.map { .object($0.json) })).page(of: "JobResponse", next: next)
  }

  private static func get(_ service: RESTService, _ request: RESTRequest) async throws -> Response {
    let id = try jobID(request)
    let job = try await service.hub.store.read { view throws(HubError) in try view.job(id) }
    return .json(.object(job?.json ?? ScheduledJob.unknown(id)))
  }

  private static func create(
    _ service: RESTService,
    _ request: RESTRequest
  ) async throws -> Response {
    let wish = try wish(service, request)
    let now = request.now
    let job = try await service.hub.store.write { engine throws(HubError) in
      try engine.createJob(wish, now: now)
    }
    service.hub.fleet.wake()
    return .json(.object(job.json))
  }

  private static func cancel(
    _ service: RESTService,
    _ request: RESTRequest
  ) async throws -> Response {
    let id = try jobID(request)
    let now = request.now
    let job = try await service.hub.store.write { engine throws(HubError) in
      try engine.cancelJob(id, now: now)
    }
    service.hub.fleet.wake()
    return .json(.object(job.json))
  }

  private static func plan(
    _ service: RESTService,
    _ request: RESTRequest
  ) async throws -> Response {
    let wish = try wish(service, request)
    let page = try request.page(service)
    let directory = service.hub.directory
    let plan = try await service.hub.store.read { view throws(HubError) in
      try view.plan(
        wish,
        pageSize: page.size,
        continuation: page.continuation,
        facts: { directory.facts(of: $0) }
      )
    }
    return Response.json(plan.json).page(next: plan.continuation)
  }

  private static func wish(
    _ service: RESTService,
    _ request: RESTRequest
  ) throws(HubError) -> ScheduledJobRequest {
    try ScheduledJobRequest(id: request.parameter("jobId"), body: try request.json())
  }

  private static func jobID(_ request: RESTRequest) throws(HubError) -> String {
    let id = request.parameter("jobId")
    guard JobID.isValid(id) else {
      throw HubError(
        .argumentInvalid,
        "A job ID has 1 to 64 lower-case letters, digits or characters of - '"
      )
    }
    return id
  }
}

extension RESTRequest {
  /// The page that the headers ask for.
  ///
  /// - Throws: 400004 for a size that is none.
  func page(_ service: RESTService) throws(HubError) -> (size: Int, continuation: String?) {
    let size = try QueryRequest.pageSize(
      header(.maxItemCount),
      quotas: service.hub.settings.quotas
    )
    return (size, header(.continuation).flatMap { $0.isEmpty ? nil : $0 })
  }
}
