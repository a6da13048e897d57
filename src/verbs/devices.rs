//! `devices`: the devices that this build can compute on.

use clap::Args;
use serde_json::json;

use super::{Context, Outcome};
use crate::{Result, device};

/// List the devices that this build can compute on
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  trimtab devices --json")]
pub struct DevicesArgs {}

pub fn run(_: &DevicesArgs, context: &Context<'_>) -> Result<Outcome> {
    context.any_runtime()?;
    let devices = device::devices();
    for backend in device::absent(&devices) {
        context.console.say(&format!("{backend}: no device, or no driver for one, here"));
    }
    let gib = |bytes: u64| format!("{:.1} GiB", bytes as f64 / (1u64 << 30) as f64);
    let line = |device: &device::DeviceInfo| {
        let memory = device.memory.map_or("memory unknown: say --device-memory".to_owned(), gib);
        let memory = match device.binding_max {
            Some(bytes) => format!("{memory}, tensors up to {}", gib(bytes)),
            None => memory,
        };
        let dtypes: Vec<String> = device
            .dtypes
            .iter()
            .map(|dtype| if *dtype == device.default_dtype { format!("{dtype} (default)") } else { dtype.clone() })
            .collect();
        format!("{:<10} {}, {memory}, {}", device.name, device.description, dtypes.join(", "))
    };
    let text = devices.iter().map(line).collect::<Vec<_>>().join("\n");
    Ok(Outcome::new(text, json!({ "devices": devices })))
}
