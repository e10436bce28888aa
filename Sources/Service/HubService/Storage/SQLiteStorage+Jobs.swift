import GRDB
import HubContract
import HubEngine

extension SQLiteStorage {
  func job(_ id: String) throws(StorageFault) -> ScheduledJob? {
    try first("SELECT document FROM job WHERE id = ?", [id], Self.job)
  }

  func jobs(after id: String?, limit: Int) throws(StorageFault) -> [ScheduledJob] {
    try all(
      "SELECT document FROM job WHERE id > ? ORDER BY id LIMIT ?",
      [id ?? "", limit],
      Self.job
    )
  }

  func unfinishedJobs() throws(StorageFault) -> [ScheduledJob] {
    try all("SELECT document FROM job WHERE ended IS NULL ORDER BY start, id", [], Self.job)
  }

  func jobs(
    endedBefore time: Timestamp,
    limit: Int
  ) throws(StorageFault) -> [ScheduledJob] {
    try all(
      "SELECT document FROM job WHERE ended IS NOT NULL AND ended < ? ORDER BY ended, id LIMIT ?",
      [time.ticks, limit],
      Self.job
    )
  }

  func deviceJob(_ key: DeviceJobKey) throws(StorageFault) -> DeviceJob? {
    try first(
      Self.selectPart + " WHERE device = ? AND job = ?",
      [key.deviceID, key.jobID],
      Self.deviceJob
    )
  }

  func deviceJobs(
    after key: DeviceJobKey?,
    limit: Int
  ) throws(StorageFault) -> [DeviceJob] {
    try all(
      Self.selectPart + " WHERE (device, job) > (?, ?) ORDER BY device, job LIMIT ?",
      [key?.deviceID ?? "", key?.jobID ?? "", limit],
      Self.deviceJob
    )
  }

  func deviceJobs(
    of jobID: String,
    openOnly: Bool,
    after deviceID: String?,
    limit: Int
  ) throws(StorageFault) -> [DeviceJob] {
    // Written out, the condition tells SQLite that the index of open parts holds all of these.
    try all(
      Self.selectPart + " WHERE job = ?\(openOnly ? " AND open = 1" : "") AND device > ?"
        + " ORDER BY device LIMIT ?",
      [jobID, deviceID ?? "", limit],
      Self.deviceJob
    )
  }

  mutating func put(_ job: ScheduledJob) throws(StorageFault) {
    // A job that has ended has a time of its end; should it lack one, it must not begin again.
    let ended = job.status.isFinal ? (job.endTime ?? job.createdTime).ticks : nil
    try execute(
      "INSERT OR REPLACE INTO job VALUES (?, ?, ?, ?)",
      [job.id, job.startTime.ticks, ended, blob(job.document)]
    )
  }

  mutating func deleteJob(_ id: String) throws(StorageFault) {
    try execute("DELETE FROM job WHERE id = ?", [id])
  }

  mutating func put(_ deviceJob: DeviceJob) throws(StorageFault) {
    try execute(
      "INSERT OR REPLACE INTO device_job VALUES (?, ?, ?, ?, ?)",
      [
        deviceJob.deviceID, deviceJob.jobID, deviceJob.status.rawValue,
        deviceJob.status.isFinal ? 0 : 1, blob(deviceJob.document),
      ]
    )
  }

  mutating func deleteDeviceJob(_ key: DeviceJobKey) throws(StorageFault) {
    try execute(
      "DELETE FROM device_job WHERE device = ? AND job = ?",
      [key.deviceID, key.jobID]
    )
  }

  private static let selectPart = "SELECT device, job, status, document FROM device_job"

  private static func job(_ row: Row) throws(StorageFault) -> ScheduledJob {
    guard let job = ScheduledJob(document: row.bytes(0)) else { throw .corrupt("job") }
    return job
  }

  private static func deviceJob(_ row: Row) throws(StorageFault) -> DeviceJob {
    let device: String = row[0]
    let job: String = row[1]
    let status: String = row[2]
    guard let known = JobStatus(rawValue: status),
      let part = DeviceJob(deviceID: device, jobID: job, status: known, document: row.bytes(3))
    else { throw .corrupt("part of device \(device) in job \(job)") }
    return part
  }
}
