//! What an image costs to fetch: its layers, by what they are called once they are unpacked.
//!
//! A manifest lists layers as they are sent, the image's configuration as they are unpacked, in the
//! same order (OCI image specification, "Image Configuration", `rootfs`).

use serde_json::Value;

use super::{Registry, RegistryError, answer, manifest, refused};
use crate::fleet::ImageSize;
use crate::name::{Digest, ImageName};

/// So many kinds of machines in an index are asked for one by one.
const FEW: usize = 3;

impl Registry {
    /// The layers of an image for one kind of machine (`linux` and Go's word for its architecture).
    ///
    /// # Errors
    /// As [`Registry::resolve`]; also where an index has nothing for that machine.
    pub async fn size(
        &self,
        image: &ImageName,
        digest: &Digest,
        architecture: &str,
    ) -> Result<ImageSize, RegistryError> {
        self.in_time(image, self.size_in_any_time(image, digest, architecture))
            .await
    }

    async fn size_in_any_time(
        &self,
        image: &ImageName,
        digest: &Digest,
        architecture: &str,
    ) -> Result<ImageSize, RegistryError> {
        let bad = |why: String| answer(image, why);
        let mut document = self.document(image, &format!("manifests/{digest}")).await?;
        if document["manifests"].is_array() {
            let offered = manifest::platforms(&document).map_err(bad)?;
            let fits = |p: &&super::Platform| p.os == "linux" && p.architecture == architecture;
            let Some(own) = offered.iter().find(fits) else {
                return Err(bad(format!("it has nothing for linux/{architecture}")));
            };
            let path = format!("manifests/{}", own.digest);
            document = self.document(image, &path).await?;
        }
        let config = document["config"]["digest"].as_str().unwrap_or_default();
        let config = Digest::new(config).map_err(|e| bad(e.to_string()))?;
        let config = self.document(image, &format!("blobs/{config}")).await?;
        layers(&document, &config).map_err(bad)
    }

    /// The most bytes that a `linux` machine of any kind fetches for an image, without asking what
    /// the machines are: the sizes of the layers, of the largest where an index offers several; none
    /// where it offers many, since some registries count each question as a pull.
    ///
    /// # Errors
    /// As [`Registry::resolve`]; also where a layer has no size.
    pub async fn at_most(
        &self,
        image: &ImageName,
        digest: &Digest,
    ) -> Result<Option<u64>, RegistryError> {
        self.in_time(image, self.at_most_in_any_time(image, digest))
            .await
    }

    async fn at_most_in_any_time(
        &self,
        image: &ImageName,
        digest: &Digest,
    ) -> Result<Option<u64>, RegistryError> {
        let document = self.document(image, &format!("manifests/{digest}")).await?;
        if !document["manifests"].is_array() {
            let size = fetched(&document).map_err(|why| answer(image, why))?;
            return Ok(Some(size));
        }
        let offered = manifest::platforms(&document).map_err(|why| answer(image, why))?;
        let ours: Vec<_> = offered.iter().filter(|p| p.os == "linux").collect();
        let mut most = None;
        for own in ours.iter().filter(|_| ours.len() <= FEW) {
            let path = format!("manifests/{}", own.digest);
            let document = self.document(image, &path).await?;
            let size = fetched(&document).map_err(|why| answer(image, why))?;
            most = most.max(Some(size));
        }
        Ok(most)
    }

    async fn document(&self, image: &ImageName, path: &str) -> Result<Value, RegistryError> {
        let place = self.place(image);
        let got = self.http.ask(&place, reqwest::Method::GET, path).await?;
        if got.status != 200 {
            return Err(refused(image, &got));
        }
        serde_json::from_slice(&got.body)
            .map_err(|e| answer(image, format!("{path} is not JSON: {e}")))
    }
}

fn fetched(manifest: &Value) -> Result<u64, String> {
    let layers = manifest["layers"].as_array().ok_or("it lists no layers")?;
    let sizes = layers.iter().map(|layer| layer["size"].as_u64());
    let sum = sizes.sum::<Option<u64>>();
    sum.ok_or_else(|| "a layer has no size".to_owned())
}

fn layers(manifest: &Value, config: &Value) -> Result<ImageSize, String> {
    let sent = manifest["layers"].as_array().ok_or("it lists no layers")?;
    let unpacked = config["rootfs"]["diff_ids"].as_array();
    let unpacked = unpacked.ok_or("its configuration lists no layers")?;
    if sent.len() != unpacked.len() {
        return Err("manifest and configuration list different layers".to_owned());
    }
    let layer =
        |(sent, id): (&Value, &Value)| Some((id.as_str()?.to_owned(), sent["size"].as_u64()?));
    let all: Option<Vec<_>> = sent.iter().zip(unpacked).map(layer).collect();
    let layers = all.ok_or("a layer has no size or no id")?;
    Ok(ImageSize { layers })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn layers_are_paired_in_order_or_refused() {
        let manifest = json!({"layers": [{"size": 3}, {"size": 4}]});
        let config = json!({"rootfs": {"diff_ids": ["sha256:a", "sha256:b"]}});
        let size = layers(&manifest, &config).unwrap();
        assert_eq!(
            size.layers,
            [("sha256:a".to_owned(), 3), ("sha256:b".to_owned(), 4)]
        );
        assert_eq!(fetched(&manifest), Ok(7));
        assert!(fetched(&json!({"layers": [{"size": 3}, {}]})).is_err());
        let short = json!({"rootfs": {"diff_ids": ["sha256:a"]}});
        assert!(layers(&manifest, &short).is_err());
        assert!(layers(&json!({"layers": [{}, {}]}), &config).is_err());
    }
}
