//! A compiled component, linked to what Spin offers, and the instances made from it.

use std::convert::Infallible;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Result, anyhow, ensure};
use rand_core::TryRng;
use wasmtime::component::types::ComponentItem;
use wasmtime::component::{InstancePre, Linker, ResourceTable};
use wasmtime::{
    Cache, Config, Engine, InstanceAllocationStrategy, PoolingAllocationConfig, ResourceLimiter, Store, UpdateDeadline,
};
use wasmtime_wasi::{HostMonotonicClock, HostWallClock, WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::{RequestOptions, WasiBody, WasiHttpCtx, WasiHttpCtxView, WasiHttpHooks, WasiHttpView};

use crate::candidate;
use crate::keyvalue::{self, KeyValueView, Stores};
use crate::limits::{INSTANCE_BYTES_MAX, INSTANCES_MAX};
use crate::memory::Reserved;
use crate::variables::{Variables, add_variables_to_linker};

/// A component that is ready to be instantiated.
#[derive(Clone)]
pub struct Component {
    pub(crate) instance: InstancePre<Guest>,
    environment: Arc<Environment>,
}

/// What every instance of a component is given.
#[derive(Clone, Default)]
pub struct Environment {
    /// Its key-value stores.
    pub stores: Stores,
    /// Its configuration.
    pub variables: Variables,
    /// Its environment variables.
    pub environment: Vec<(String, String)>,
    /// Drops what it prints. Its error output goes to ours all the same.
    pub quiet: bool,
    /// Time and randomness of its own; otherwise the system's.
    pub sources: Option<Arc<dyn Sources>>,
    /// Tells how much memory its instances take.
    pub memory: MemoryGauge,
}

/// The size of the largest linear memory that an instance has had. Linear memory never shrinks, so that is what an
/// instance holds at rest, too.
#[derive(Clone, Default)]
pub struct MemoryGauge(Arc<AtomicUsize>);

impl MemoryGauge {
    /// In bytes.
    pub fn bytes(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

/// Bounds the memory of an instance.
struct Limiter {
    gauge: MemoryGauge,
    /// Nothing where the embedder made the instance, and bounds it.
    reserved: Option<Reserved>,
}

impl ResourceLimiter for Limiter {
    fn memory_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let more = desired.saturating_sub(current);
        if self.reserved.as_ref().is_some_and(|reserved| !reserved.grow(more)) {
            eprintln!("An instance of the component asks for {more} bytes more than all instances may have");
            return Ok(false);
        }
        self.gauge.0.fetch_max(desired, Ordering::Relaxed);
        Ok(true)
    }

    fn table_growing(&mut self, _: usize, _: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        Ok(true)
    }
}

/// Where a component gets time and randomness from, so that a test can let it answer the same in each run.
pub trait Sources: Send + Sync + 'static {
    /// Time since 1970.
    fn time_of_day(&self) -> Duration;
    /// Time since some fixed moment. How long a wait takes is up to the system all the same.
    fn elapsed(&self) -> Duration;
    /// The next of a stream of bytes.
    fn random_byte(&self) -> u8;
}

impl Component {
    /// Compiles the file, or takes it from the cache of compiled code, and links it. It may be of WASI 0.3.0, of the
    /// release candidate that Spin 4.0 has, or of WASI 0.2.
    pub fn load(path: &Path, environment: Environment) -> Result<Self> {
        let bytes =
            std::fs::read(path).map_err(|error| anyhow!("cannot read the component {}: {error}", path.display()))?;
        let engine = engine()?;
        let component = wasmtime::component::Component::from_binary(&engine, &candidate::as_final(&bytes))
            .map_err(|error| anyhow!("{} is not a component: {}", path.display(), first_line(&error)))?;
        refuse_unknown_imports(&component, &engine)?;
        let instance = linker(&engine)
            .and_then(|linker| linker.instantiate_pre(&component))
            .map_err(|error| anyhow!("the component does not fit Spin: {}", first_line(&error)))?;
        tick(&engine);
        Ok(Self { instance, environment: Arc::new(environment) })
    }

    /// The store of a new instance, and where the memory that it may have is counted.
    pub(crate) fn store(&self, reserved: Option<Reserved>) -> Store<Guest> {
        let mut store = Store::new(
            self.instance.engine(),
            Guest {
                wasi: self.environment.wasi(),
                http: WasiHttpCtx::new(),
                no_way_out: NoWayOut,
                table: ResourceTable::new(),
                memory: Limiter { gauge: self.environment.memory.clone(), reserved },
                yielded: Arc::default(),
                environment: self.environment.clone(),
            },
        );
        store.limiter(|guest| &mut guest.memory);
        store.set_epoch_deadline(1);
        let yielded = store.data().yielded();
        store.epoch_deadline_callback(move |_| {
            yielded.store(true, Ordering::Relaxed);
            Ok(UpdateDeadline::Yield(1))
        });
        store
    }
}

impl Environment {
    /// No files, no network, no arguments; clocks and random numbers are the system's, unless there are others.
    fn wasi(&self) -> WasiCtx {
        let mut wasi = WasiCtx::builder();
        wasi.envs(&self.environment).stderr(std::io::stderr());
        if !self.quiet {
            wasi.stdout(std::io::stderr());
        }
        if let Some(sources) = &self.sources {
            wasi.wall_clock(Given(sources.clone()))
                .monotonic_clock(Given(sources.clone()))
                .secure_random(Given(sources.clone()));
        }
        wasi.build()
    }
}

/// The resolution of the clocks.
const NANOSECOND: Duration = Duration::from_nanos(1);

/// What WASI asks for, from [`Sources`].
struct Given(Arc<dyn Sources>);

impl HostWallClock for Given {
    fn resolution(&self) -> Duration {
        NANOSECOND
    }

    fn now(&self) -> Duration {
        self.0.time_of_day()
    }
}

impl HostMonotonicClock for Given {
    fn resolution(&self) -> u64 {
        1
    }

    fn now(&self) -> u64 {
        u64::try_from(self.0.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}

impl TryRng for Given {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        // WASI takes a single byte of each number.
        Ok(self.0.random_byte().into())
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(u64::from_le_bytes([(); 8].map(|()| self.0.random_byte())))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        bytes.fill_with(|| self.0.random_byte());
        Ok(())
    }
}

/// What the host holds for an instance.
pub(crate) struct Guest {
    wasi: WasiCtx,
    http: WasiHttpCtx,
    no_way_out: NoWayOut,
    table: ResourceTable,
    memory: Limiter,
    /// The engine's clock ticked while it computed.
    yielded: Arc<AtomicBool>,
    environment: Arc<Environment>,
}

impl WasiView for Guest {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl WasiHttpView for Guest {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView { ctx: &mut self.http, hooks: &mut self.no_way_out, table: &mut self.table }
    }
}

impl Guest {
    /// Set when the engine's clock ticks while the instance computes.
    pub(crate) fn yielded(&self) -> Arc<AtomicBool> {
        self.yielded.clone()
    }

    fn key_value(&mut self) -> KeyValueView<'_> {
        KeyValueView { stores: &self.environment.stores, table: &mut self.table }
    }

    fn variables(&mut self) -> &Variables {
        &self.environment.variables
    }
}

/// Refuses every outbound request, as Spin does where the manifest allows no host.
struct NoWayOut;

impl WasiHttpHooks for NoWayOut {
    fn send_request(
        &mut self,
        _request: http::Request<WasiBody>,
        _options: Option<RequestOptions>,
        _sent: Sent,
    ) -> Box<dyn Future<Output = Result<(http::Response<WasiBody>, Sent), wasmtime_wasi_http::Error>> + Send> {
        Box::new(async { Err(wasmtime_wasi_http::Error::HttpRequestDenied) })
    }
}

type Sent = Box<dyn Future<Output = Result<(), wasmtime_wasi_http::Error>> + Send>;

fn engine() -> Result<Engine> {
    let mut config = Config::new();
    config.wasm_component_model_async(true);
    config.epoch_interruption(true);
    // Without a directory to write to every start compiles, which takes seconds and harms nothing else.
    config.cache(Cache::from_file(None).ok());
    config.allocation_strategy(pool());
    // A machine that forbids to reserve so many addresses gets them one by one, more slowly.
    let engine =
        Engine::new(&config).or_else(|_| Engine::new(config.allocation_strategy(InstanceAllocationStrategy::OnDemand)));
    engine.map_err(|error| anyhow!("no WebAssembly on this machine: {}", first_line(&error)))
}

/// Room for [`INSTANCES_MAX`] instances. A component has a few core instances and tables beside its own, which hold
/// its parts together, and a stack for each of its requests.
fn pool() -> PoolingAllocationConfig {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(INSTANCES_MAX)
        .total_core_instances(INSTANCES_MAX * 8)
        .total_memories(INSTANCES_MAX)
        .total_tables(INSTANCES_MAX * 8)
        .total_stacks(INSTANCES_MAX * 16)
        .max_memory_size(INSTANCE_BYTES_MAX);
    pool
}

fn linker(engine: &Engine) -> wasmtime::Result<Linker<Guest>> {
    let mut linker = Linker::new(engine);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    wasmtime_wasi::p3::add_to_linker(&mut linker)?;
    wasmtime_wasi_http::p2::add_only_http_to_linker_async(&mut linker)?;
    wasmtime_wasi_http::p3::add_to_linker(&mut linker)?;
    keyvalue::add_to_linker(&mut linker, Guest::key_value)?;
    add_variables_to_linker(&mut linker, Guest::variables)?;
    Ok(linker)
}

/// What the linker has, by package or interface. The linker itself knows versions and types.
const IMPORTS: [&str; 11] = [
    "wasi:cli/",
    "wasi:clocks/",
    "wasi:filesystem/",
    "wasi:http/",
    "wasi:io/",
    "wasi:random/",
    "wasi:sockets/",
    "wasi:keyvalue/",
    "spin:key-value/",
    "spin:variables/",
    "fermyon:spin/variables",
];

fn refuse_unknown_imports(component: &wasmtime::component::Component, engine: &Engine) -> Result<()> {
    let ty = component.component_type();
    let unknown: Vec<_> = ty
        .imports(engine)
        .filter(|(_, import)| asks_for_code(&import.ty, engine))
        .map(|(name, _)| name)
        .filter(|name| !IMPORTS.iter().any(|known| name.starts_with(known)))
        .collect();
    ensure!(unknown.is_empty(), "the component imports {}, which this host does not offer", unknown.join(" and "));
    Ok(())
}

/// An interface that only names types is imported by whatever exports an interface that uses it, and needs no host.
fn asks_for_code(import: &ComponentItem, engine: &Engine) -> bool {
    match import {
        ComponentItem::ComponentInstance(interface) => {
            interface.exports(engine).any(|(_, item)| asks_for_code(&item.ty, engine))
        }
        ComponentItem::Type(_) => false,
        ComponentItem::ComponentFunc(_)
        | ComponentItem::CoreFunc(_)
        | ComponentItem::Module(_)
        | ComponentItem::Component(_)
        | ComponentItem::Resource(_) => true,
    }
}

/// The outermost sentence of an error, without the chain of causes that only an engineer of the runtime can read.
fn first_line(error: &wasmtime::Error) -> String {
    error.to_string().lines().next().unwrap_or_default().to_owned()
}

/// Makes every guest yield now and then, so that others have their turn and one that computes for long can be ended.
fn tick(engine: &Engine) {
    const INTERVAL: Duration = Duration::from_millis(5);
    let engine = engine.weak();
    std::thread::spawn(move || {
        while let Some(engine) = engine.upgrade() {
            engine.increment_epoch();
            drop(engine);
            std::thread::sleep(INTERVAL);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A component in binary, of these sections.
    fn problem(sections: &[(u8, &[u8])]) -> String {
        let mut bytes = b"\0asm\x0d\0\x01\0".to_vec();
        for (id, section) in sections {
            bytes.push(*id);
            bytes.push(u8::try_from(section.len()).unwrap());
            bytes.extend_from_slice(section);
        }
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("component.wasm");
        std::fs::write(&path, bytes).unwrap();
        let server = Component::load(&path, Environment::default()).and_then(|component| {
            let listener = crate::serve::listen(([127, 0, 0, 1], 0).into())?;
            crate::Server::start(component, listener, crate::Limits::default())
        });
        server.err().map(|error| format!("{error:#}")).unwrap()
    }

    /// What is said of `(import "a:b/c" (instance (type …) (export "f" …)))`.
    fn problem_with_import(ty: &[u8], export: &[u8]) -> String {
        let interface = [b"\x01\x42\x02\x01", ty, b"\x04\x00\x01f", export].concat();
        problem(&[(7, &interface), (10, b"\x01\x00\x05a:b/c\x05\x00")])
    }

    const NO_HANDLER: &str = "the component exports neither wasi:http/handler@0.3.0 nor wasi:http/incoming-handler@0.2";

    #[tokio::test]
    async fn no_request_leaves_the_host_whatever_time_it_may_take() {
        for options in [None, Some(RequestOptions::default())] {
            let request = http::Request::new(http_body_util::Empty::new());
            let request = request.map(|body| {
                http_body_util::BodyExt::boxed_unsync(http_body_util::BodyExt::map_err(body, |never| match never {}))
            });
            let sent = Box::new(async { Ok(()) });
            let answer = Box::into_pin(NoWayOut.send_request(request, options, sent)).await;
            assert!(matches!(answer, Err(wasmtime_wasi_http::Error::HttpRequestDenied)));
        }
    }

    #[test]
    fn an_unknown_import_is_named() {
        let (function, of_that_type) = (b"\x40\x00\x01\x00", b"\x01\x00");
        assert_eq!(
            problem_with_import(function, of_that_type),
            "the component imports a:b/c, which this host does not offer"
        );
    }

    #[test]
    fn an_import_of_types_alone_needs_no_host() {
        let (u32, that_type) = (b"\x79", b"\x03\x00\x00");
        assert_eq!(problem_with_import(u32, that_type), NO_HANDLER);
    }

    #[test]
    fn a_component_has_to_handle_http() {
        assert_eq!(problem(&[]), NO_HANDLER);
    }

    #[test]
    fn what_is_no_component_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("component.wasm");
        let problem = || {
            let error = Component::load(&path, Environment::default()).err().unwrap();
            error.to_string().replace(&path.display().to_string(), "FILE")
        };
        assert_eq!(problem(), "cannot read the component FILE: No such file or directory (os error 2)");
        std::fs::write(&path, "(component)").unwrap();
        assert_eq!(problem(), "FILE is not a component: failed to parse WebAssembly module");
    }
}
